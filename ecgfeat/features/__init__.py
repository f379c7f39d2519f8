"""Beat features: what can be measured of each beat and its neighbours, one row per R-peak."""
