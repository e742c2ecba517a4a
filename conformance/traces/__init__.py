"""The search for traces: does anything that a deployment holds show what it must not know?"""
