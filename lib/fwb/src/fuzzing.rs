//! What the fuzz targets in `fuzz/` call. Each function takes any bytes and panics where a promise is broken.
