"""Local servers that speak the chat platforms' and the image API's own protocols to the real clients."""
