/* A remote I/O module on libmodbus RTU with 16 inputs and 16 relays, to test the driver against code that is not ours.
   remote_io TTY: unit 1, 9600 8N1, prints "up" and "out N 0|1" for each relay that changes. Lines on its standard
   input: "in N 0|1" sets an input; "mute", "half", "stray" and "speak" change how it answers. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

int main(int argc, char **argv) {
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH], before[16] = {0};
    uint8_t stray[] = {1, 5, 0, 9, 0xFF, 0};
    char word[16], line[80], how[16] = "speak";
    int number, on;
    modbus_t *context = modbus_new_rtu(argc > 1 ? argv[1] : "", 9600, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(16, 16, 0, 0);
    modbus_set_slave(context, 1);
    if (modbus_connect(context) < 0) return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    puts("up");
    int bus = modbus_get_socket(context);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(0, &ready);
        FD_SET(bus, &ready);
        if (select(bus + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        if (FD_ISSET(0, &ready)) {
            if (!fgets(line, sizeof line, stdin)) return 0;
            if (sscanf(line, "in %d %d", &number, &on) == 2) map->tab_input_bits[number] = map->tab_bits[number + 8] = on;
            else if (sscanf(line, "%15s", word) == 1) strcpy(how, word);
            printf("ok\n");
        }
        if (FD_ISSET(bus, &ready)) {
            int length = modbus_receive(context, query);
            if (length < 0 && errno != EMBBADCRC && errno != ETIMEDOUT) return 1;
            if (length <= 0) continue;
            if (!strcmp(how, "mute")) continue;
            if (!strcmp(how, "half")) {
                if (write(bus, query, 3) < 0) return 1;
                continue;
            }
            if (!strcmp(how, "stray")) {
                modbus_send_raw_request(context, stray, sizeof stray);
                continue;
            }
            modbus_reply(context, query, length, map);
            for (int i = 0; i < 8; i++)
                if (map->tab_bits[i] != before[i]) printf("out %d %d\n", i, before[i] = map->tab_bits[i]);
        }
    }
}
