"""Model files in GGUF: what their header tells, and their weights in float32."""
