"""Takes memory until the kernel says no."""

print("up", flush=True)
taken = []
while True:
    taken.append(bytearray(1 << 20))
