"""Everyone Easel speaks with: chat platforms on one side, image backends on the other."""
