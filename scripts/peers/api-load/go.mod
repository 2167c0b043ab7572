module r2k.dev/peers/api-load

go 1.26.0
