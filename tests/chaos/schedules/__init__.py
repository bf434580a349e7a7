"""Schedules of faults drawn from a seed, played against a real broker, and made shorter when they fail.

schedule, draw, words    faults, which worker and which moment they meet, as values; drawn, written and read
nursery                  workers that start within moments
play                     one schedule against a broker: its workers, its faults, its books
shrink                   the least schedule that still fails
campaign                 many schedules side by side; `python -m tests.chaos.schedules` plays any of them again
"""
