"""Which moment each output frame shows: exact time maps and the render plan."""
