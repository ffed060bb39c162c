"""A plan of phases → requests sent on time by a process of its own → frames of what came back.

plan → phases → beat → generator → wire → results → handle
"""
