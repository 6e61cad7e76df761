//! Socket.IO signalling client and server for socketio-p2p.
