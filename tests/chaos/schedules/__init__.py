"""Schedules of faults drawn from a seed, played against a real broker, and shortened if they fail.

schedule, draw, words    faults as values: worker, moment and kind; drawn, written and read
nursery                  workers that start at once
play                     one schedule against a broker: its workers, its faults, its check of the outputs
shrink                   the smallest schedule that still fails
campaign                 many schedules side by side; `python -m tests.chaos.schedules` plays any of them again
"""
