//! Fuzz targets for socketio-p2p.
