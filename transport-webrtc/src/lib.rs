//! WebRTC data channels for socketio-p2p.
