//! In-memory links and a virtual-time harness for socketio-p2p.
