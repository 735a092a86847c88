"""What a station remembers: one record per trigger, written behind the sort signal, with the picture."""
