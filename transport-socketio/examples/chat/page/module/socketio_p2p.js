/**
 * Sends to some receivers in some way.
 */
export class Emitter {
    static __wrap(ptr) {
        const obj = Object.create(Emitter.prototype);
        obj.__wbg_ptr = ptr;
        EmitterFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        EmitterFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_emitter_free(ptr, 0);
    }
    /**
     * Sends a question.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emitWithAck(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.emitter_emitWithAck(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * Sends an event.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emit(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.emitter_emit(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
}
if (Symbol.dispose) Emitter.prototype[Symbol.dispose] = Emitter.prototype.free;

/**
 * A transfer from a member, which waits until it is accepted or refused.
 */
export class IncomingTransfer {
    static __wrap(ptr) {
        const obj = Object.create(IncomingTransfer.prototype);
        obj.__wbg_ptr = ptr;
        IncomingTransferFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        IncomingTransferFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_incomingtransfer_free(ptr, 0);
    }
    /**
     * Its bytes, as a `ReadableStream`. Cancelling that refuses the rest.
     *
     * # Errors
     * `transfer`, `closed`.
     * @returns {ReadableStream}
     */
    accept() {
        const ret = wasm.incomingtransfer_accept(this.__wbg_ptr);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        return takeFromExternrefTable0(ret[0]);
    }
    /**
     * What else the sender says of it.
     * @returns {any}
     */
    get arg() {
        const ret = wasm.incomingtransfer_arg(this.__wbg_ptr);
        return ret;
    }
    /**
     * The name that the sender gave it.
     * @returns {string}
     */
    get event() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.incomingtransfer_event(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * The sender.
     * @returns {any}
     */
    get from() {
        const ret = wasm.incomingtransfer_from(this.__wbg_ptr);
        return ret;
    }
    /**
     * Called when more has been read.
     * @returns {any}
     */
    get onprogress() {
        const ret = wasm.incomingtransfer_onprogress(this.__wbg_ptr);
        return ret;
    }
    /**
     * Refuses it.
     *
     * # Errors
     * `transfer`, `closed`.
     */
    refuse() {
        const ret = wasm.incomingtransfer_refuse(this.__wbg_ptr);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Called when more has been read.
     * @param {any} listener
     */
    set onprogress(listener) {
        wasm.incomingtransfer_set_onprogress(this.__wbg_ptr, listener);
    }
    /**
     * Its length in bytes, if the sender has said it.
     * @returns {any}
     */
    get size() {
        const ret = wasm.incomingtransfer_size(this.__wbg_ptr);
        return ret;
    }
}
if (Symbol.dispose) IncomingTransfer.prototype[Symbol.dispose] = IncomingTransfer.prototype.free;

class IntoUnderlyingByteSource {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        IntoUnderlyingByteSourceFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_intounderlyingbytesource_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get autoAllocateChunkSize() {
        const ret = wasm.intounderlyingbytesource_autoAllocateChunkSize(this.__wbg_ptr);
        return ret >>> 0;
    }
    cancel() {
        const ptr = this.__destroy_into_raw();
        wasm.intounderlyingbytesource_cancel(ptr);
    }
    /**
     * @param {ReadableByteStreamController} controller
     * @returns {Promise<any>}
     */
    pull(controller) {
        const ret = wasm.intounderlyingbytesource_pull(this.__wbg_ptr, controller);
        return ret;
    }
    /**
     * @param {ReadableByteStreamController} controller
     */
    start(controller) {
        wasm.intounderlyingbytesource_start(this.__wbg_ptr, controller);
    }
    /**
     * @returns {ReadableStreamType}
     */
    get type() {
        const ret = wasm.intounderlyingbytesource_type(this.__wbg_ptr);
        return __wbindgen_enum_ReadableStreamType[ret];
    }
}
if (Symbol.dispose) IntoUnderlyingByteSource.prototype[Symbol.dispose] = IntoUnderlyingByteSource.prototype.free;

class IntoUnderlyingSink {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        IntoUnderlyingSinkFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_intounderlyingsink_free(ptr, 0);
    }
    /**
     * @param {any} reason
     * @returns {Promise<any>}
     */
    abort(reason) {
        const ptr = this.__destroy_into_raw();
        const ret = wasm.intounderlyingsink_abort(ptr, reason);
        return ret;
    }
    /**
     * @returns {Promise<any>}
     */
    close() {
        const ptr = this.__destroy_into_raw();
        const ret = wasm.intounderlyingsink_close(ptr);
        return ret;
    }
    /**
     * @param {any} chunk
     * @returns {Promise<any>}
     */
    write(chunk) {
        const ret = wasm.intounderlyingsink_write(this.__wbg_ptr, chunk);
        return ret;
    }
}
if (Symbol.dispose) IntoUnderlyingSink.prototype[Symbol.dispose] = IntoUnderlyingSink.prototype.free;

class IntoUnderlyingSource {
    static __wrap(ptr) {
        const obj = Object.create(IntoUnderlyingSource.prototype);
        obj.__wbg_ptr = ptr;
        IntoUnderlyingSourceFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        IntoUnderlyingSourceFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_intounderlyingsource_free(ptr, 0);
    }
    cancel() {
        const ptr = this.__destroy_into_raw();
        wasm.intounderlyingsource_cancel(ptr);
    }
    /**
     * @param {ReadableStreamDefaultController} controller
     * @returns {Promise<any>}
     */
    pull(controller) {
        const ret = wasm.intounderlyingsource_pull(this.__wbg_ptr, controller);
        return ret;
    }
}
if (Symbol.dispose) IntoUnderlyingSource.prototype[Symbol.dispose] = IntoUnderlyingSource.prototype.free;

/**
 * A member of the room. Its fields say how it is now, and last was when it is gone.
 */
export class Member {
    static __wrap(ptr) {
        const obj = Object.create(Member.prototype);
        obj.__wbg_ptr = ptr;
        MemberFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        MemberFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_member_free(ptr, 0);
    }
    /**
     * Whether no path leads to it.
     * @returns {boolean}
     */
    get away() {
        const ret = wasm.member_away(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * For events that others overtake.
     * @returns {Emitter}
     */
    get bulk() {
        const ret = wasm.member_bulk(this.__wbg_ptr);
        return Emitter.__wrap(ret);
    }
    /**
     * What it says about itself.
     * @returns {any}
     */
    get data() {
        const ret = wasm.member_data(this.__wbg_ptr);
        return ret;
    }
    /**
     * The state of the direct path in words.
     * @returns {string}
     */
    get direct() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.member_direct(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * Asks it.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emitWithAck(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.member_emitWithAck(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * Sends it an event.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emit(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.member_emit(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * What went wrong with the direct path since it last worked.
     * @returns {any}
     */
    get failure() {
        const ret = wasm.member_failure(this.__wbg_ptr);
        return ret;
    }
    /**
     * Whether it has left.
     * @returns {boolean}
     */
    get gone() {
        const ret = wasm.member_gone(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * The member's id.
     * @returns {string}
     */
    get id() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.member_id(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * Opens a transfer to it.
     * @param {any} event
     * @param {any} argument
     * @param {any} options
     * @returns {Promise<any>}
     */
    openTransfer(event, argument, options) {
        const ret = wasm.member_openTransfer(this.__wbg_ptr, event, argument, options);
        return ret;
    }
    /**
     * Whether it is a client of the original library.
     * @returns {boolean}
     */
    get original() {
        const ret = wasm.member_original(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * The path of events to it.
     * @returns {any}
     */
    get path() {
        const ret = wasm.member_path(this.__wbg_ptr);
        return ret;
    }
    /**
     * The bytes of events that wait for it or that it has not confirmed.
     * @returns {number}
     */
    get queued() {
        const ret = wasm.member_queued(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * The round-trip time of the path in milliseconds.
     * @returns {any}
     */
    get roundTrip() {
        const ret = wasm.member_roundTrip(this.__wbg_ptr);
        return ret;
    }
    /**
     * For questions with this time limit.
     *
     * # Errors
     * `bad-option`.
     * @param {any} limit
     * @returns {Emitter}
     */
    timeout(limit) {
        const ret = wasm.member_timeout(this.__wbg_ptr, limit);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        return Emitter.__wrap(ret[0]);
    }
    /**
     * What is known of it, for `JSON.stringify`.
     * @returns {object}
     */
    toJSON() {
        const ret = wasm.member_toJSON(this.__wbg_ptr);
        return ret;
    }
    /**
     * What the server's application says about it.
     * @returns {any}
     */
    get user() {
        const ret = wasm.member_user(this.__wbg_ptr);
        return ret;
    }
    /**
     * The member through which events reach it.
     * @returns {any}
     */
    get via() {
        const ret = wasm.member_via(this.__wbg_ptr);
        return ret;
    }
    /**
     * For events that are worthless when they are late.
     * @returns {Emitter}
     */
    get volatile() {
        const ret = wasm.member_volatile(this.__wbg_ptr);
        return Emitter.__wrap(ret);
    }
}
if (Symbol.dispose) Member.prototype[Symbol.dispose] = Member.prototype.free;

/**
 * A transfer to a member.
 */
export class OutgoingTransfer {
    static __wrap(ptr) {
        const obj = Object.create(OutgoingTransfer.prototype);
        obj.__wbg_ptr = ptr;
        OutgoingTransferFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        OutgoingTransferFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_outgoingtransfer_free(ptr, 0);
    }
    /**
     * Cancels it.
     */
    cancel() {
        wasm.outgoingtransfer_cancel(this.__wbg_ptr);
    }
    /**
     * How it ended.
     * @returns {Promise<any>}
     */
    get done() {
        const ret = wasm.outgoingtransfer_done(this.__wbg_ptr);
        return ret;
    }
    /**
     * Called when the receiver has read more.
     * @returns {any}
     */
    get onprogress() {
        const ret = wasm.outgoingtransfer_onprogress(this.__wbg_ptr);
        return ret;
    }
    /**
     * Called when the receiver has read more.
     * @param {any} listener
     */
    set onprogress(listener) {
        wasm.outgoingtransfer_set_onprogress(this.__wbg_ptr, listener);
    }
    /**
     * Takes the bytes.
     * @returns {WritableStream}
     */
    get writable() {
        const ret = wasm.outgoingtransfer_writable(this.__wbg_ptr);
        return ret;
    }
}
if (Symbol.dispose) OutgoingTransfer.prototype[Symbol.dispose] = OutgoingTransfer.prototype.free;

/**
 * This page as a member of its room.
 */
export class Peer {
    static __wrap(ptr) {
        const obj = Object.create(Peer.prototype);
        obj.__wbg_ptr = ptr;
        PeerFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        PeerFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_peer_free(ptr, 0);
    }
    /**
     * For events that others overtake.
     * @returns {Emitter}
     */
    get bulk() {
        const ret = wasm.peer_bulk(this.__wbg_ptr);
        return Emitter.__wrap(ret);
    }
    /**
     * Leaves the room, and returns how many events and transfers were not delivered.
     * @returns {Promise<any>}
     */
    close() {
        const ret = wasm.peer_close(this.__wbg_ptr);
        return ret;
    }
    /**
     * Whether the connection to the server is up.
     * @returns {boolean}
     */
    get connected() {
        const ret = wasm.peer_connected(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * What the other members see of this one.
     * @returns {any}
     */
    get data() {
        const ret = wasm.peer_data(this.__wbg_ptr);
        return ret;
    }
    /**
     * Asks all other members.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emitWithAck(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.peer_emitWithAck(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * Sends an event to all other members.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emit(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.peer_emit(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * This member's id.
     * @returns {any}
     */
    get id() {
        const ret = wasm.peer_id(this.__wbg_ptr);
        return ret;
    }
    /**
     * Removes a listener that hears all events of members; without one, all such.
     * @param {any} listener
     */
    offAny(listener) {
        wasm.peer_offAny(this.__wbg_ptr, listener);
    }
    /**
     * Removes a listener; without one, all of the event; without an event, all.
     *
     * # Errors
     * `bad-event`.
     * @param {any} event
     * @param {any} listener
     */
    off(event, listener) {
        const ret = wasm.peer_off(this.__wbg_ptr, event, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Calls a listener for all events of members.
     *
     * # Errors
     * `bad-argument`.
     * @param {any} listener
     */
    onAny(listener) {
        const ret = wasm.peer_onAny(this.__wbg_ptr, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Calls a listener for the events of a name.
     *
     * # Errors
     * `bad-event`, `bad-argument`.
     * @param {any} event
     * @param {any} listener
     */
    on(event, listener) {
        const ret = wasm.peer_on(this.__wbg_ptr, event, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Calls a listener for the next event of a name.
     *
     * # Errors
     * `bad-event`, `bad-argument`.
     * @param {any} event
     * @param {any} listener
     */
    once(event, listener) {
        const ret = wasm.peer_once(this.__wbg_ptr, event, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * A member by its id.
     * @param {any} id
     * @returns {any}
     */
    peer(id) {
        const ret = wasm.peer_peer(this.__wbg_ptr, id);
        return ret;
    }
    /**
     * The other members.
     * @returns {Array<any>}
     */
    get peers() {
        const ret = wasm.peer_peers(this.__wbg_ptr);
        return ret;
    }
    /**
     * When direct paths are used.
     * @returns {string}
     */
    get policy() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.peer_policy(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * Connects to the server now.
     */
    reconnect() {
        wasm.peer_reconnect(this.__wbg_ptr);
    }
    /**
     * The server's application.
     * @returns {Server}
     */
    get server() {
        const ret = wasm.peer_server(this.__wbg_ptr);
        return Server.__wrap(ret);
    }
    /**
     * Changes what the other members see of this one.
     *
     * # Errors
     * `bad-option`.
     * @param {any} data
     */
    setData(data) {
        const ret = wasm.peer_setData(this.__wbg_ptr, data);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Changes when direct paths are used.
     *
     * # Errors
     * `bad-option`.
     * @param {any} policy
     */
    set policy(policy) {
        const ret = wasm.peer_set_policy(this.__wbg_ptr, policy);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * For questions with this time limit.
     *
     * # Errors
     * `bad-option`.
     * @param {any} limit
     * @returns {Emitter}
     */
    timeout(limit) {
        const ret = wasm.peer_timeout(this.__wbg_ptr, limit);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        return Emitter.__wrap(ret[0]);
    }
    /**
     * A member as the receiver of events, by its id or as itself.
     *
     * # Errors
     * `no-peer`.
     * @param {any} member
     * @returns {any}
     */
    to(member) {
        const ret = wasm.peer_to(this.__wbg_ptr, member);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        return takeFromExternrefTable0(ret[0]);
    }
    /**
     * Uses direct paths.
     */
    upgrade() {
        wasm.peer_upgrade(this.__wbg_ptr);
    }
    /**
     * What the server's application says about this member.
     * @returns {any}
     */
    get user() {
        const ret = wasm.peer_user(this.__wbg_ptr);
        return ret;
    }
    /**
     * For events that are worthless when they are late.
     * @returns {Emitter}
     */
    get volatile() {
        const ret = wasm.peer_volatile(this.__wbg_ptr);
        return Emitter.__wrap(ret);
    }
}
if (Symbol.dispose) Peer.prototype[Symbol.dispose] = Peer.prototype.free;

/**
 * The application of the server.
 */
export class Server {
    static __wrap(ptr) {
        const obj = Object.create(Server.prototype);
        obj.__wbg_ptr = ptr;
        ServerFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        ServerFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_server_free(ptr, 0);
    }
    /**
     * Asks it.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emitWithAck(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.server_emitWithAck(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * Sends it an event.
     * @param {any} event
     * @param {...any[]} _arguments
     * @returns {Promise<any>}
     */
    emit(event, ..._arguments) {
        const ptr0 = passArrayJsValueToWasm0(_arguments, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.server_emit(this.__wbg_ptr, event, ptr0, len0);
        return ret;
    }
    /**
     * Removes listeners.
     *
     * # Errors
     * `bad-event`.
     * @param {any} event
     * @param {any} listener
     */
    off(event, listener) {
        const ret = wasm.server_off(this.__wbg_ptr, event, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Calls a listener for its events of a name.
     *
     * # Errors
     * `bad-event`, `bad-argument`.
     * @param {any} event
     * @param {any} listener
     */
    on(event, listener) {
        const ret = wasm.server_on(this.__wbg_ptr, event, listener);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * For questions with this time limit.
     *
     * # Errors
     * `bad-option`.
     * @param {any} limit
     * @returns {Emitter}
     */
    timeout(limit) {
        const ret = wasm.server_timeout(this.__wbg_ptr, limit);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        return Emitter.__wrap(ret[0]);
    }
}
if (Symbol.dispose) Server.prototype[Symbol.dispose] = Server.prototype.free;

/**
 * The bytes on their way into the session, behind the stream that a program writes to.
 *
 * A sink of `wasm-streams` ends when the last write is over, which a receiver that does not read delays for ever.
 */
export class TransferSink {
    static __wrap(ptr) {
        const obj = Object.create(TransferSink.prototype);
        obj.__wbg_ptr = ptr;
        TransferSinkFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        TransferSinkFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_transfersink_free(ptr, 0);
    }
    /**
     * Cancels the transfer.
     */
    abort() {
        wasm.transfersink_abort(this.__wbg_ptr);
    }
    /**
     * Marks the end, and waits until the receiver has read all.
     * @returns {Promise<any>}
     */
    close() {
        const ret = wasm.transfersink_close(this.__wbg_ptr);
        return ret;
    }
    /**
     * Listens to the signal that the stream is aborted.
     *
     * # Errors
     * Never in a browser.
     * @param {any} controller
     */
    start(controller) {
        const ret = wasm.transfersink_start(this.__wbg_ptr, controller);
        if (ret[1]) {
            throw takeFromExternrefTable0(ret[0]);
        }
    }
    /**
     * Takes bytes, and waits until the session has taken them.
     * @param {any} piece
     * @returns {Promise<any>}
     */
    write(piece) {
        const ret = wasm.transfersink_write(this.__wbg_ptr, piece);
        return ret;
    }
}
if (Symbol.dispose) TransferSink.prototype[Symbol.dispose] = TransferSink.prototype.free;

/**
 * Joins a room, as `npm/index.d.ts` says.
 *
 * # Errors
 * A `P2PError`.
 * @param {any} url
 * @param {any} options
 * @returns {Promise<Peer>}
 */
export function join(url, options) {
    const ret = wasm.join(url, options);
    return ret;
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg_Error_208446807d0d1e30: function(arg0, arg1) {
            const ret = Error(getStringFromWasm0(arg0, arg1));
            return ret;
        },
        __wbg___wbindgen_boolean_get_4f1baf9a00be3c74: function(arg0) {
            const v = arg0;
            const ret = typeof(v) === 'boolean' ? v : undefined;
            return isLikeNone(ret) ? 0xFFFFFF : ret ? 1 : 0;
        },
        __wbg___wbindgen_is_bigint_5fa10641e039d3ef: function(arg0) {
            const ret = typeof(arg0) === 'bigint';
            return ret;
        },
        __wbg___wbindgen_is_falsy_d864b623500ae65d: function(arg0) {
            const ret = !arg0;
            return ret;
        },
        __wbg___wbindgen_is_function_741ff2bb612836f5: function(arg0) {
            const ret = typeof(arg0) === 'function';
            return ret;
        },
        __wbg___wbindgen_is_null_c22311b1cc228e3a: function(arg0) {
            const ret = arg0 === null;
            return ret;
        },
        __wbg___wbindgen_is_object_8b968c3ab8e96595: function(arg0) {
            const val = arg0;
            const ret = typeof(val) === 'object' && val !== null;
            return ret;
        },
        __wbg___wbindgen_is_string_fc456fee5d3317de: function(arg0) {
            const ret = typeof(arg0) === 'string';
            return ret;
        },
        __wbg___wbindgen_is_symbol_f846131a047725ea: function(arg0) {
            const ret = typeof(arg0) === 'symbol';
            return ret;
        },
        __wbg___wbindgen_is_undefined_be5b34249ff1fc15: function(arg0) {
            const ret = arg0 === undefined;
            return ret;
        },
        __wbg___wbindgen_jsval_eq_38d7bfbe4cc84039: function(arg0, arg1) {
            const ret = arg0 === arg1;
            return ret;
        },
        __wbg___wbindgen_number_get_934b640d0889af78: function(arg0, arg1) {
            const obj = arg1;
            const ret = typeof(obj) === 'number' ? obj : undefined;
            getDataViewMemory0().setFloat64((arg0 >>> 0) + 8 * 1, isLikeNone(ret) ? 0 : ret, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, !isLikeNone(ret), true);
        },
        __wbg___wbindgen_string_get_7ce8eee7fd327545: function(arg0, arg1) {
            const obj = arg1;
            const ret = typeof(obj) === 'string' ? obj : undefined;
            var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbg__wbg_cb_unref_09736879a3f67559: function(arg0) {
            arg0._wbg_cb_unref();
        },
        __wbg_addEventListener_5a2d2cc95123a5d9: function() { return handleError(function (arg0, arg1, arg2) {
            addEventListener(getStringFromWasm0(arg0, arg1), arg2);
        }, arguments); },
        __wbg_addEventListener_8ab67f759936ebfc: function() { return handleError(function (arg0, arg1, arg2) {
            addEventListener(getStringFromWasm0(arg0, arg1), arg2);
        }, arguments); },
        __wbg_addIceCandidate_82f7e20613c35bf1: function(arg0, arg1) {
            const ret = arg0.addIceCandidate(arg1);
            return ret;
        },
        __wbg_apply_bfe2b07b146427e2: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.apply(arg1, arg2);
            return ret;
        }, arguments); },
        __wbg_arrayBuffer_5abbcb61bd48f427: function(arg0) {
            const ret = arg0.arrayBuffer();
            return ret;
        },
        __wbg_buffer_aca05a93c046db1a: function(arg0) {
            const ret = arg0.buffer;
            return ret;
        },
        __wbg_bufferedAmount_1a6499d60a181d57: function(arg0) {
            const ret = arg0.bufferedAmount;
            return ret;
        },
        __wbg_bufferedAmount_cddfb0078c5a7083: function(arg0) {
            const ret = arg0.bufferedAmount;
            return ret;
        },
        __wbg_byobRequest_18280c78e462544c: function(arg0) {
            const ret = arg0.byobRequest;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_byteLength_c5f3c188d5252e5b: function(arg0) {
            const ret = arg0.byteLength;
            return ret;
        },
        __wbg_byteLength_fa48f24814f5ef46: function(arg0) {
            const ret = arg0.byteLength;
            return ret;
        },
        __wbg_byteOffset_63cdc7b38f33a45e: function(arg0) {
            const ret = arg0.byteOffset;
            return ret;
        },
        __wbg_call_40b008ba32f73991: function() { return handleError(function (arg0, arg1) {
            const ret = arg0.call(arg1);
            return ret;
        }, arguments); },
        __wbg_call_a410eb4b59ed5965: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.call(arg1, arg2);
            return ret;
        }, arguments); },
        __wbg_call_fc92fee6137d452d: function() { return handleError(function (arg0, arg1, arg2, arg3) {
            const ret = arg0.call(arg1, arg2, arg3);
            return ret;
        }, arguments); },
        __wbg_candidate_b5ea8f22f09e1ec0: function(arg0, arg1) {
            const ret = arg1.candidate;
            const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg_candidate_b6483ce0da788ec0: function(arg0) {
            const ret = arg0.candidate;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_channel_c5f38af88993f99f: function(arg0) {
            const ret = arg0.channel;
            return ret;
        },
        __wbg_clearTimeout_ef20bc62e2228b44: function(arg0) {
            clearTimeout(arg0);
        },
        __wbg_clearTimeout_fd2c5dfcf4c67f84: function(arg0, arg1) {
            arg0.clearTimeout(arg1);
        },
        __wbg_close_294d3f727cb7a844: function() { return handleError(function (arg0) {
            arg0.close();
        }, arguments); },
        __wbg_close_4bd57476d5bfe485: function(arg0) {
            arg0.close();
        },
        __wbg_close_5ee9c5fe4e8754a4: function() { return handleError(function (arg0) {
            arg0.close();
        }, arguments); },
        __wbg_close_aaf2c0f05564d744: function(arg0) {
            arg0.close();
        },
        __wbg_close_bf94aa7e38b9a94b: function() { return handleError(function (arg0) {
            arg0.close();
        }, arguments); },
        __wbg_code_3e6881d821eab2c4: function(arg0) {
            const ret = arg0.code;
            return ret;
        },
        __wbg_concat_a93602fe6b72cec9: function(arg0, arg1) {
            const ret = arg0.concat(arg1);
            return ret;
        },
        __wbg_connectionState_7f1fdebdc933f168: function(arg0) {
            const ret = arg0.connectionState;
            return (__wbindgen_enum_RtcPeerConnectionState.indexOf(ret) + 1 || 7) - 1;
        },
        __wbg_construct_8670bb4c2b062969: function() { return handleError(function (arg0, arg1) {
            const ret = Reflect.construct(arg0, arg1);
            return ret;
        }, arguments); },
        __wbg_createAnswer_d38093b76998dee0: function(arg0) {
            const ret = arg0.createAnswer();
            return ret;
        },
        __wbg_createDataChannel_10efb268afd6246b: function(arg0, arg1, arg2) {
            const ret = arg0.createDataChannel(getStringFromWasm0(arg1, arg2));
            return ret;
        },
        __wbg_createDataChannel_1d7d9adbad8d5f1c: function(arg0, arg1, arg2, arg3) {
            const ret = arg0.createDataChannel(getStringFromWasm0(arg1, arg2), arg3);
            return ret;
        },
        __wbg_createOffer_179e441c42d36ee9: function(arg0) {
            const ret = arg0.createOffer();
            return ret;
        },
        __wbg_data_c7e5e8500f1bca2f: function(arg0) {
            const ret = arg0.data;
            return ret;
        },
        __wbg_enqueue_c11626eae1c54509: function() { return handleError(function (arg0, arg1) {
            arg0.enqueue(arg1);
        }, arguments); },
        __wbg_error_37cbb9289ae00ab8: function(arg0, arg1, arg2) {
            console.error(getStringFromWasm0(arg0, arg1), arg2);
        },
        __wbg_forEach_d33df67d27c9bd85: function(arg0, arg1, arg2) {
            try {
                var state0 = {a: arg1, b: arg2};
                var cb0 = (arg0, arg1) => {
                    const a = state0.a;
                    state0.a = 0;
                    try {
                        return wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true_(a, state0.b, arg0, arg1);
                    } finally {
                        state0.a = a;
                    }
                };
                arg0.forEach(cb0);
            } finally {
                state0.a = 0;
            }
        },
        __wbg_getItem_d476c85463a4693e: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.getItem(getStringFromWasm0(arg1, arg2));
            return ret;
        }, arguments); },
        __wbg_getRandomValues_8b6f1f663e6f188d: function() { return handleError(function (arg0, arg1) {
            globalThis.crypto.getRandomValues(getArrayU8FromWasm0(arg0, arg1));
        }, arguments); },
        __wbg_getStats_889dfe602080f42c: function(arg0) {
            const ret = arg0.getStats();
            return ret;
        },
        __wbg_get_2080c49015e35254: function() { return handleError(function (arg0, arg1) {
            const ret = Reflect.get(arg0, arg1);
            return ret;
        }, arguments); },
        __wbg_get_57b93e4469e51558: function(arg0, arg1) {
            const ret = arg0.get(arg1);
            return ret;
        },
        __wbg_get_bb8b6b35041e00c9: function() { return handleError(function (arg0, arg1) {
            const ret = Reflect.get(arg0, arg1 >>> 0);
            return ret;
        }, arguments); },
        __wbg_get_d7176cfb76d71114: function(arg0, arg1) {
            const ret = arg0[arg1 >>> 0];
            return ret;
        },
        __wbg_get_unchecked_e6325ad374eff861: function(arg0, arg1) {
            const ret = arg0[arg1 >>> 0];
            return ret;
        },
        __wbg_iceConnectionState_6292141caf76260f: function(arg0) {
            const ret = arg0.iceConnectionState;
            return (__wbindgen_enum_RtcIceConnectionState.indexOf(ret) + 1 || 8) - 1;
        },
        __wbg_incomingtransfer_new: function(arg0) {
            const ret = IncomingTransfer.__wrap(arg0);
            return ret;
        },
        __wbg_instanceof_ArrayBuffer_12cdaa4161423e6b: function(arg0) {
            let result;
            try {
                result = arg0 instanceof ArrayBuffer;
            } catch (_) {
                result = false;
            }
            const ret = result;
            return ret;
        },
        __wbg_instanceof_Blob_56431c8f5387c12d: function(arg0) {
            let result;
            try {
                result = arg0 instanceof Blob;
            } catch (_) {
                result = false;
            }
            const ret = result;
            return ret;
        },
        __wbg_instanceof_Error_74e3cca0c4a69161: function(arg0) {
            let result;
            try {
                result = arg0 instanceof Error;
            } catch (_) {
                result = false;
            }
            const ret = result;
            return ret;
        },
        __wbg_isArray_9c03d3c37c71605d: function() { return handleError(function (arg0) {
            const ret = Array.isArray(arg0);
            return ret;
        }, arguments); },
        __wbg_isArray_bcf1376d0d732d08: function(arg0) {
            const ret = Array.isArray(arg0);
            return ret;
        },
        __wbg_isView_c05771695f430637: function(arg0) {
            const ret = ArrayBuffer.isView(arg0);
            return ret;
        },
        __wbg_is_2248ff2b575d60c7: function(arg0, arg1) {
            const ret = Object.is(arg0, arg1);
            return ret;
        },
        __wbg_keys_529f5903f394cf97: function() { return handleError(function (arg0) {
            const ret = Object.keys(arg0);
            return ret;
        }, arguments); },
        __wbg_label_33520dec10693606: function(arg0, arg1) {
            const ret = arg1.label;
            const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg_length_186163212ffe79c3: function(arg0) {
            const ret = arg0.length;
            return ret;
        },
        __wbg_length_b03a0fabb109b1e9: function(arg0) {
            const ret = arg0.length;
            return ret;
        },
        __wbg_length_e83e819f48c774e4: function(arg0) {
            const ret = arg0.length;
            return ret;
        },
        __wbg_localDescription_8f7cccc59cf7b805: function(arg0) {
            const ret = arg0.localDescription;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_member_new: function(arg0) {
            const ret = Member.__wrap(arg0);
            return ret;
        },
        __wbg_message_43d8c8f1d543a349: function(arg0) {
            const ret = arg0.message;
            return ret;
        },
        __wbg_name_d1fa514fdca6a975: function(arg0) {
            const ret = arg0.name;
            return ret;
        },
        __wbg_new_13de428334042d26: function(arg0) {
            const ret = new Uint8Array(arg0);
            return ret;
        },
        __wbg_new_37eb45aaf5eeb820: function() {
            const ret = new Array();
            return ret;
        },
        __wbg_new_787b9fb330d55d78: function(arg0, arg1) {
            const ret = new Error(getStringFromWasm0(arg0, arg1));
            return ret;
        },
        __wbg_new_ba40181b3f24ac80: function(arg0, arg1) {
            try {
                var state0 = {a: arg0, b: arg1};
                var cb0 = (arg0, arg1) => {
                    const a = state0.a;
                    state0.a = 0;
                    try {
                        return wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__70(a, state0.b, arg0, arg1);
                    } finally {
                        state0.a = a;
                    }
                };
                const ret = new Promise(cb0);
                return ret;
            } finally {
                state0.a = 0;
            }
        },
        __wbg_new_cd4348290afae586: function() {
            const ret = new Object();
            return ret;
        },
        __wbg_new_d72daa1c90ded389: function() { return handleError(function (arg0, arg1) {
            const ret = new WebSocket(getStringFromWasm0(arg0, arg1));
            return ret;
        }, arguments); },
        __wbg_new_from_slice_b8daf545a41c6aa0: function(arg0, arg1) {
            const ret = new Uint8Array(getArrayU8FromWasm0(arg0, arg1));
            return ret;
        },
        __wbg_new_typed_e09da9dae6ee5935: function(arg0, arg1) {
            try {
                var state0 = {a: arg0, b: arg1};
                var cb0 = (arg0, arg1) => {
                    const a = state0.a;
                    state0.a = 0;
                    try {
                        return wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__71(a, state0.b, arg0, arg1);
                    } finally {
                        state0.a = a;
                    }
                };
                const ret = new Promise(cb0);
                return ret;
            } finally {
                state0.a = 0;
            }
        },
        __wbg_new_with_byte_offset_and_length_3cd32055a417f095: function(arg0, arg1, arg2) {
            const ret = new Uint8Array(arg0, arg1 >>> 0, arg2 >>> 0);
            return ret;
        },
        __wbg_new_with_configuration_c141f4198cdcdc39: function() { return handleError(function (arg0) {
            const ret = new RTCPeerConnection(arg0);
            return ret;
        }, arguments); },
        __wbg_new_with_into_underlying_source_ba3944e7f4c9d0c3: function(arg0, arg1) {
            const ret = new ReadableStream(IntoUnderlyingSource.__wrap(arg0), arg1);
            return ret;
        },
        __wbg_new_with_underlying_sink_6b48e23fbb6e0960: function() { return handleError(function (arg0) {
            const ret = new WritableStream(arg0);
            return ret;
        }, arguments); },
        __wbg_now_38e94617e3506894: function() {
            const ret = performance.now();
            return ret;
        },
        __wbg_of_027eb15371aac932: function(arg0) {
            const ret = Array.of(arg0);
            return ret;
        },
        __wbg_of_4cc373bef1f715a4: function(arg0, arg1, arg2) {
            const ret = Array.of(arg0, arg1, arg2);
            return ret;
        },
        __wbg_of_e7ea0fcd535c1444: function(arg0, arg1) {
            const ret = Array.of(arg0, arg1);
            return ret;
        },
        __wbg_outgoingtransfer_new: function(arg0) {
            const ret = OutgoingTransfer.__wrap(arg0);
            return ret;
        },
        __wbg_parse_08442f0550bdda57: function() { return handleError(function (arg0, arg1, arg2, arg3) {
            try {
                var state0 = {a: arg2, b: arg3};
                var cb0 = (arg0, arg1) => {
                    const a = state0.a;
                    state0.a = 0;
                    try {
                        return wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__true_(a, state0.b, arg0, arg1);
                    } finally {
                        state0.a = a;
                    }
                };
                const ret = JSON.parse(getStringFromWasm0(arg0, arg1), cb0);
                return ret;
            } finally {
                state0.a = 0;
            }
        }, arguments); },
        __wbg_parse_b2ba8f09f8a29570: function() { return handleError(function (arg0, arg1) {
            const ret = JSON.parse(getStringFromWasm0(arg0, arg1));
            return ret;
        }, arguments); },
        __wbg_peer_new: function(arg0) {
            const ret = Peer.__wrap(arg0);
            return ret;
        },
        __wbg_prototypesetcall_13162965d1fe7aa3: function(arg0, arg1, arg2) {
            Uint8Array.prototype.set.call(getArrayU8FromWasm0(arg0, arg1), arg2);
        },
        __wbg_push_c9f4893fc209f768: function(arg0, arg1) {
            const ret = arg0.push(arg1);
            return ret;
        },
        __wbg_queueMicrotask_1e8503a8a690f0a3: function(arg0) {
            const ret = arg0.queueMicrotask;
            return ret;
        },
        __wbg_queueMicrotask_4a1a4d8dd332373b: function(arg0) {
            queueMicrotask(arg0);
        },
        __wbg_random_df36b90cd78a7d54: function() {
            const ret = Math.random();
            return ret;
        },
        __wbg_readyState_9363a615898534d8: function(arg0) {
            const ret = arg0.readyState;
            return (__wbindgen_enum_RtcDataChannelState.indexOf(ret) + 1 || 5) - 1;
        },
        __wbg_reason_34b16516ab3f72d4: function(arg0, arg1) {
            const ret = arg1.reason;
            const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg_removeEventListener_0446cf1be974dcf4: function() { return handleError(function (arg0, arg1, arg2) {
            removeEventListener(getStringFromWasm0(arg0, arg1), arg2);
        }, arguments); },
        __wbg_removeEventListener_65864600284f6bd8: function() { return handleError(function (arg0, arg1, arg2) {
            removeEventListener(getStringFromWasm0(arg0, arg1), arg2);
        }, arguments); },
        __wbg_removeItem_f5a040490e9194df: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.removeItem(getStringFromWasm0(arg1, arg2));
            return ret;
        }, arguments); },
        __wbg_resolve_dbf78ab4942478b0: function(arg0) {
            const ret = Promise.resolve(arg0);
            return ret;
        },
        __wbg_respond_d97c023ee981d1f5: function() { return handleError(function (arg0, arg1) {
            arg0.respond(arg1 >>> 0);
        }, arguments); },
        __wbg_sdpMLineIndex_b713a6d4810d51a3: function(arg0) {
            const ret = arg0.sdpMLineIndex;
            return isLikeNone(ret) ? 0xFFFFFF : ret;
        },
        __wbg_sdpMid_f717f115cad3616a: function(arg0, arg1) {
            const ret = arg1.sdpMid;
            var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg_sdp_4a340d3e33f5553d: function(arg0, arg1) {
            const ret = arg1.sdp;
            const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg_send_90bdeab2fb35e02d: function() { return handleError(function (arg0, arg1, arg2) {
            arg0.send(getStringFromWasm0(arg1, arg2));
        }, arguments); },
        __wbg_send_cd51063ca1be4d0f: function() { return handleError(function (arg0, arg1, arg2) {
            arg0.send(getStringFromWasm0(arg1, arg2));
        }, arguments); },
        __wbg_send_d83d0891cf698779: function() { return handleError(function (arg0, arg1, arg2) {
            arg0.send(getArrayU8FromWasm0(arg1, arg2));
        }, arguments); },
        __wbg_send_e6281a97396b9cc8: function() { return handleError(function (arg0, arg1, arg2) {
            arg0.send(getArrayU8FromWasm0(arg1, arg2));
        }, arguments); },
        __wbg_setItem_d0f91f61ff31feb3: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
            const ret = arg0.setItem(getStringFromWasm0(arg1, arg2), getStringFromWasm0(arg3, arg4));
            return ret;
        }, arguments); },
        __wbg_setLocalDescription_540e0949bd891b71: function(arg0, arg1) {
            const ret = arg0.setLocalDescription(arg1);
            return ret;
        },
        __wbg_setRemoteDescription_4353578ac3302b90: function(arg0, arg1) {
            const ret = arg0.setRemoteDescription(arg1);
            return ret;
        },
        __wbg_setTimeout_7ddda09e6923f0c3: function(arg0) {
            setTimeout(arg0);
        },
        __wbg_setTimeout_9ef22b48643bd7de: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.setTimeout(arg1, arg2);
            return ret;
        }, arguments); },
        __wbg_setTimeout_a041a389cdb5a5b3: function(arg0, arg1) {
            const ret = setTimeout(arg0, arg1);
            return ret;
        },
        __wbg_set_2793479888329cb6: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = Reflect.set(arg0, arg1, arg2);
            return ret;
        }, arguments); },
        __wbg_set_binaryType_a32a21f86fbe2660: function(arg0, arg1) {
            arg0.binaryType = __wbindgen_enum_RtcDataChannelType[arg1];
        },
        __wbg_set_binaryType_d5b4dafd0f127fb2: function(arg0, arg1) {
            arg0.binaryType = __wbindgen_enum_BinaryType[arg1];
        },
        __wbg_set_bufferedAmountLowThreshold_364f18d6d69bb23e: function(arg0, arg1) {
            arg0.bufferedAmountLowThreshold = arg1 >>> 0;
        },
        __wbg_set_candidate_e6d313b631341e31: function(arg0, arg1, arg2) {
            arg0.candidate = getStringFromWasm0(arg1, arg2);
        },
        __wbg_set_credential_b776646c3596fe70: function(arg0, arg1, arg2) {
            arg0.credential = getStringFromWasm0(arg1, arg2);
        },
        __wbg_set_feb3714f475485ba: function(arg0, arg1, arg2) {
            arg0.set(getArrayU8FromWasm0(arg1, arg2));
        },
        __wbg_set_high_water_mark_2c2355a75a627679: function(arg0, arg1) {
            arg0.highWaterMark = arg1;
        },
        __wbg_set_ice_servers_0582e7c62f53c089: function(arg0, arg1) {
            arg0.iceServers = arg1;
        },
        __wbg_set_id_7d8f8d23f234a90a: function(arg0, arg1) {
            arg0.id = arg1;
        },
        __wbg_set_max_retransmits_afe4dc8abc29e733: function(arg0, arg1) {
            arg0.maxRetransmits = arg1;
        },
        __wbg_set_name_822e3903f3184979: function(arg0, arg1, arg2) {
            arg0.name = getStringFromWasm0(arg1, arg2);
        },
        __wbg_set_negotiated_8efd1114268dcb64: function(arg0, arg1) {
            arg0.negotiated = arg1 !== 0;
        },
        __wbg_set_onbufferedamountlow_5338056914d5225a: function(arg0, arg1) {
            arg0.onbufferedamountlow = arg1;
        },
        __wbg_set_onclose_078935cf8d0fb024: function(arg0, arg1) {
            arg0.onclose = arg1;
        },
        __wbg_set_onclose_c847a34647f61ba5: function(arg0, arg1) {
            arg0.onclose = arg1;
        },
        __wbg_set_onconnectionstatechange_b04f55e658a67336: function(arg0, arg1) {
            arg0.onconnectionstatechange = arg1;
        },
        __wbg_set_ondatachannel_45a10164c9a44b6a: function(arg0, arg1) {
            arg0.ondatachannel = arg1;
        },
        __wbg_set_onicecandidate_047fe8b28edbce28: function(arg0, arg1) {
            arg0.onicecandidate = arg1;
        },
        __wbg_set_oniceconnectionstatechange_ef62d398e4f12582: function(arg0, arg1) {
            arg0.oniceconnectionstatechange = arg1;
        },
        __wbg_set_onmessage_26abc49cfa5f9ffc: function(arg0, arg1) {
            arg0.onmessage = arg1;
        },
        __wbg_set_onmessage_b774ce693f973df0: function(arg0, arg1) {
            arg0.onmessage = arg1;
        },
        __wbg_set_onopen_5d4bdb6344270e9b: function(arg0, arg1) {
            arg0.onopen = arg1;
        },
        __wbg_set_ordered_f3b26306125e757e: function(arg0, arg1) {
            arg0.ordered = arg1 !== 0;
        },
        __wbg_set_sdp_3bffcb18d35fb38a: function(arg0, arg1, arg2) {
            arg0.sdp = getStringFromWasm0(arg1, arg2);
        },
        __wbg_set_sdp_m_line_index_94e0e42abc77a58d: function(arg0, arg1) {
            arg0.sdpMLineIndex = arg1 === 0xFFFFFF ? undefined : arg1;
        },
        __wbg_set_sdp_mid_178d0df4a896e5c4: function(arg0, arg1, arg2) {
            arg0.sdpMid = arg1 === 0 ? undefined : getStringFromWasm0(arg1, arg2);
        },
        __wbg_set_type_b1196faf3f4671ef: function(arg0, arg1) {
            arg0.type = __wbindgen_enum_RtcSdpType[arg1];
        },
        __wbg_set_urls_0bb76d5634da2170: function(arg0, arg1) {
            arg0.urls = arg1;
        },
        __wbg_set_username_2426078039436d12: function(arg0, arg1, arg2) {
            arg0.username = getStringFromWasm0(arg1, arg2);
        },
        __wbg_shift_faab1a3913f3e693: function(arg0) {
            const ret = arg0.shift();
            return ret;
        },
        __wbg_size_9d1084e29743663c: function(arg0) {
            const ret = arg0.size;
            return ret;
        },
        __wbg_static_accessor_GLOBAL_THIS_003ee833af9699fc: function() {
            const ret = typeof globalThis === 'undefined' ? undefined : globalThis;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_GLOBAL_e4293fb22cbe77da: function() {
            const ret = typeof global === 'undefined' ? undefined : global;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_SELF_53bb20457401453d: function() {
            const ret = typeof self === 'undefined' ? undefined : self;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_WINDOW_b5e0810bfecb7feb: function() {
            const ret = typeof window === 'undefined' ? undefined : window;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_stringify_9f1ca66075a92cc6: function() { return handleError(function (arg0) {
            const ret = JSON.stringify(arg0);
            return ret;
        }, arguments); },
        __wbg_then_656f253a5dd7d8ea: function(arg0, arg1, arg2) {
            const ret = arg0.then(arg1, arg2);
            return ret;
        },
        __wbg_then_e3f7f2d365708be8: function(arg0, arg1) {
            const ret = arg0.then(arg1);
            return ret;
        },
        __wbg_transfersink_new: function(arg0) {
            const ret = TransferSink.__wrap(arg0);
            return ret;
        },
        __wbg_view_3b708d3bdaf3fc96: function(arg0) {
            const ret = arg0.view;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_wasClean_5318a54e8ede66d8: function(arg0) {
            const ret = arg0.wasClean;
            return ret;
        },
        __wbindgen_generic_0000000000000001: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [Externref], shim_idx: 68, ret: Result(Unit), inner_ret: Some(Result(Unit)) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__core_84191437197a5fe3___result__Result_____wasm_bindgen_bbeec58be9424ff0___JsError___true_);
            return ret;
        },
        __wbindgen_generic_0000000000000002: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [NamedExternref("CloseEvent")], shim_idx: 155, ret: Unit, inner_ret: Some(Unit) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true_);
            return ret;
        },
        __wbindgen_generic_0000000000000003: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [NamedExternref("MessageEvent")], shim_idx: 155, ret: Unit, inner_ret: Some(Unit) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__84);
            return ret;
        },
        __wbindgen_generic_0000000000000004: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [NamedExternref("RTCDataChannelEvent")], shim_idx: 155, ret: Unit, inner_ret: Some(Unit) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__85);
            return ret;
        },
        __wbindgen_generic_0000000000000005: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [NamedExternref("RTCPeerConnectionIceEvent")], shim_idx: 155, ret: Unit, inner_ret: Some(Unit) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__86);
            return ret;
        },
        __wbindgen_generic_0000000000000006: function(arg0, arg1) {
            // Cast intrinsic for `Closure(Closure { owned: true, function: Function { arguments: [], shim_idx: 7, ret: Unit, inner_ret: Some(Unit) }, mutable: true }) -> Externref`.
            const ret = makeMutClosure(arg0, arg1, wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke_______true_);
            return ret;
        },
        __wbindgen_generic_0000000000000007: function(arg0) {
            // Cast intrinsic for `F64 -> Externref`.
            const ret = arg0;
            return ret;
        },
        __wbindgen_generic_0000000000000008: function(arg0, arg1) {
            // Cast intrinsic for `Ref(String) -> Externref`.
            const ret = getStringFromWasm0(arg0, arg1);
            return ret;
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./socketio_p2p_bg.js": import0,
    };
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke_______true_(arg0, arg1) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke_______true_(arg0, arg1);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true_(arg0, arg1, arg2) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true_(arg0, arg1, arg2);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__84(arg0, arg1, arg2) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__84(arg0, arg1, arg2);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__85(arg0, arg1, arg2) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__85(arg0, arg1, arg2);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__86(arg0, arg1, arg2) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___web_sys_666507cbdf4fd0d0___features__gen_CloseEvent__CloseEvent______true__86(arg0, arg1, arg2);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__core_84191437197a5fe3___result__Result_____wasm_bindgen_bbeec58be9424ff0___JsError___true_(arg0, arg1, arg2) {
    const ret = wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__core_84191437197a5fe3___result__Result_____wasm_bindgen_bbeec58be9424ff0___JsError___true_(arg0, arg1, arg2);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true_(arg0, arg1, arg2, arg3) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true_(arg0, arg1, arg2, arg3);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__70(arg0, arg1, arg2, arg3) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__70(arg0, arg1, arg2, arg3);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__71(arg0, arg1, arg2, arg3) {
    wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined___js_sys_5f43e0c9365ad142___Function_fn_wasm_bindgen_bbeec58be9424ff0___JsValue_____wasm_bindgen_bbeec58be9424ff0___sys__Undefined_______true__71(arg0, arg1, arg2, arg3);
}

function wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__true_(arg0, arg1, arg2, arg3) {
    const ret = wasm.wasm_bindgen_bbeec58be9424ff0___convert__closures_____invoke___wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__wasm_bindgen_bbeec58be9424ff0___JsValue__true_(arg0, arg1, arg2, arg3);
    return ret;
}


const __wbindgen_enum_BinaryType = ["blob", "arraybuffer"];


const __wbindgen_enum_ReadableStreamType = ["bytes"];


const __wbindgen_enum_RtcDataChannelState = ["connecting", "open", "closing", "closed"];


const __wbindgen_enum_RtcDataChannelType = ["arraybuffer", "blob"];


const __wbindgen_enum_RtcIceConnectionState = ["new", "checking", "connected", "completed", "failed", "disconnected", "closed"];


const __wbindgen_enum_RtcPeerConnectionState = ["closed", "failed", "disconnected", "new", "connecting", "connected"];


const __wbindgen_enum_RtcSdpType = ["offer", "pranswer", "answer", "rollback"];
const EmitterFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_emitter_free(ptr, 1));
const IncomingTransferFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_incomingtransfer_free(ptr, 1));
const IntoUnderlyingByteSourceFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_intounderlyingbytesource_free(ptr, 1));
const IntoUnderlyingSinkFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_intounderlyingsink_free(ptr, 1));
const IntoUnderlyingSourceFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_intounderlyingsource_free(ptr, 1));
const MemberFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_member_free(ptr, 1));
const OutgoingTransferFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_outgoingtransfer_free(ptr, 1));
const PeerFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_peer_free(ptr, 1));
const ServerFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_server_free(ptr, 1));
const TransferSinkFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_transfersink_free(ptr, 1));

function addToExternrefTable0(obj) {
    const idx = wasm.__externref_table_alloc();
    wasm.__wbindgen_externrefs.set(idx, obj);
    return idx;
}

const CLOSURE_DTORS = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(state => wasm.__wbindgen_destroy_closure(state.a, state.b));

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

let cachedDataViewMemory0 = null;
function getDataViewMemory0() {
    if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
        cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
    }
    return cachedDataViewMemory0;
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function handleError(f, args) {
    try {
        return f.apply(this, args);
    } catch (e) {
        const idx = addToExternrefTable0(e);
        wasm.__wbindgen_exn_store(idx);
    }
}

function isLikeNone(x) {
    return x === undefined || x === null;
}

function makeMutClosure(arg0, arg1, f) {
    const state = { a: arg0, b: arg1, cnt: 1 };
    const real = (...args) => {

        // First up with a closure we increment the internal reference
        // count. This ensures that the Rust closure environment won't
        // be deallocated while we're invoking it.
        state.cnt++;
        const a = state.a;
        state.a = 0;
        try {
            return f(a, state.b, ...args);
        } finally {
            state.a = a;
            real._wbg_cb_unref();
        }
    };
    real._wbg_cb_unref = () => {
        if (--state.cnt === 0) {
            wasm.__wbindgen_destroy_closure(state.a, state.b);
            state.a = 0;
            CLOSURE_DTORS.unregister(state);
        }
    };
    CLOSURE_DTORS.register(real, state, state);
    return real;
}

function passArrayJsValueToWasm0(array, malloc) {
    const ptr = malloc(array.length * 4, 4) >>> 0;
    for (let i = 0; i < array.length; i++) {
        const add = addToExternrefTable0(array[i]);
        getDataViewMemory0().setUint32(ptr + 4 * i, add, true);
    }
    WASM_VECTOR_LEN = array.length;
    return ptr;
}

function passStringToWasm0(arg, malloc, realloc) {
    if (realloc === undefined) {
        const buf = cachedTextEncoder.encode(arg);
        const ptr = malloc(buf.length, 1) >>> 0;
        getUint8ArrayMemory0().subarray(ptr, ptr + buf.length).set(buf);
        WASM_VECTOR_LEN = buf.length;
        return ptr;
    }

    let len = arg.length;
    let ptr = malloc(len, 1) >>> 0;

    const mem = getUint8ArrayMemory0();

    let offset = 0;

    for (; offset < len; offset++) {
        const code = arg.charCodeAt(offset);
        if (code > 0x7F) break;
        mem[ptr + offset] = code;
    }
    if (offset !== len) {
        if (offset !== 0) {
            arg = arg.slice(offset);
        }
        ptr = realloc(ptr, len, len = offset + arg.length * 3, 1) >>> 0;
        const view = getUint8ArrayMemory0().subarray(ptr + offset, ptr + len);
        const ret = cachedTextEncoder.encodeInto(arg, view);

        offset += ret.written;
        ptr = realloc(ptr, len, offset, 1) >>> 0;
    }

    WASM_VECTOR_LEN = offset;
    return ptr;
}

function takeFromExternrefTable0(idx) {
    const value = wasm.__wbindgen_externrefs.get(idx);
    wasm.__externref_table_dealloc(idx);
    return value;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

const cachedTextEncoder = new TextEncoder();

if (!('encodeInto' in cachedTextEncoder)) {
    cachedTextEncoder.encodeInto = function (arg, view) {
        const buf = cachedTextEncoder.encode(arg);
        view.set(buf);
        return {
            read: arg.length,
            written: buf.length
        };
    };
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedDataViewMemory0 = null;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('socketio_p2p_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
