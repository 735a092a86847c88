"""What every page that people read is made of: words in both languages side by side, one frame, shapes of charts."""
