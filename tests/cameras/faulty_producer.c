/* A GenTL producer that passes everything on to viky.cti and fails on purpose.
 *
 * Linked with viky.cti, so that what is not defined here is found there. A fault lasts as long as a file of its name
 * lies in the folder FAULTY_PRODUCER: incomplete, cut, silent, hang, crash, gone, used, slow, chatty.
 * Types and numbers: EMVA, GenICam GenTL Standard 1.5, GenTL.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ERR_IN_USE = -1004, ERR_IO = -1010, ERR_TIMEOUT = -1011 };
enum { INFO_IS_INCOMPLETE = 7, INFO_SIZE_FILLED = 9 };

static int is_on(const char *fault) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAULTY_PRODUCER"), fault);
    return access(path, F_OK) == 0;
}

#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

int32_t DSGetBufferInfo(void *stream, void *buffer, int32_t what, int32_t *type, void *value, size_t *size) {
    int32_t result = NEXT(DSGetBufferInfo)(stream, buffer, what, type, value, size);
    if (result == 0 && value && what == INFO_IS_INCOMPLETE && is_on("incomplete")) *(uint8_t *)value = 1;
    if (result == 0 && value && what == INFO_SIZE_FILLED && is_on("cut")) *(size_t *)value = 1000;
    return result;
}

int32_t EventGetData(void *event, void *data, size_t *size, uint64_t timeout_ms) {
    while (is_on("hang")) pause();
    if (is_on("crash")) abort();
    if (is_on("silent") || is_on("gone")) {
        usleep(1000 * timeout_ms);
        return ERR_TIMEOUT;
    }
    return NEXT(EventGetData)(event, data, size, timeout_ms);
}

int32_t GCReadPort(void *port, uint64_t address, void *data, size_t *size) {
    if (is_on("chatty")) {
        puts("a line that a vendor forgot");
        fflush(stdout);
    }
    return is_on("gone") ? ERR_IO : NEXT(GCReadPort)(port, address, data, size);
}

int32_t IFOpenDevice(void *interface, const char *id, int32_t flags, void **device) {
    while (is_on("slow")) usleep(1000);
    return is_on("used") ? ERR_IN_USE : NEXT(IFOpenDevice)(interface, id, flags, device);
}
