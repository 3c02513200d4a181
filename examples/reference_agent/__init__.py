"""
A small agent whose tenant data goes through a TaskSession and whose own affairs stay on the compute role.

Six constructions use the session: task state twice, nudge reader, progress writer, trace upload and
attachment download. Eight stay on the compute role: secrets twice, logs five times, memory once.
"""
