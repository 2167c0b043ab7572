import type { Socket } from "node:net";
import {
  type ClientConnectionOptions,
  Http2ClientConnection,
} from "@raft2kube/h2/client-connection.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import type { Target } from "./dial.ts";
import { RpcError, Status } from "./error.ts";
import {
  CONNECT_TIMEOUT_MS,
  RECONNECT_GROWTH,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  WAITING_CALLS_MAX,
} from "./limits.ts";

export interface ChannelCall {
  /** Goes out over this connection. */
  begin(connection: Http2ClientConnection): void;
  /** The call fails without having been sent. */
  fail(reason: RpcError): void;
}

/**
 * The message of calls that were never sent, which is grpc-js's: they are safe to retry on another
 * connection.
 */
export function neverSent(reason: string): RpcError {
  const text = `No connection established. Last error: ${reason}`;
  return new RpcError(Status.UNAVAILABLE, text);
}

/**
 * A connection to one address, shared by the clients made from it: opened when a call needs it, and
 * again after it was lost. Calls wait while it is being opened; for a while after an attempt has
 * failed they fail immediately.
 */
export class Channel {
  readonly target: Target;
  readonly messageBytes_max: number;
  readonly #leavesSilent: boolean;
  readonly #turns: InputTurns | undefined;
  readonly #clock: Clock = systemClock({ unref: true });
  readonly #waiting = new Set<ChannelCall>();
  #dialling: Socket | undefined;
  #ready: Http2ClientConnection | undefined;
  #failure: RpcError | undefined;
  #failures = 0;
  #retry_ms = 0;
  #closed = false;

  constructor(
    target: Target,
    messageBytes_max: number,
    { leavesSilent, turns }: Pick<ClientConnectionOptions, "leavesSilent" | "turns">,
  ) {
    this.target = target;
    this.messageBytes_max = messageBytes_max;
    this.#leavesSilent = leavesSilent;
    this.#turns = turns;
  }

  /** Takes no more calls. Those under way continue; those that wait fail. */
  readonly close = (): void => {
    this.#closed = true;
    this.#failWaiting(neverSent("the channel is closed"));
    this.#dialling?.destroy();
    this.#ready?.drain();
  };

  [Symbol.dispose](): void {
    this.close();
  }

  /** Lets a call go out, now or when it can. */
  start(call: ChannelCall): void {
    const connection = this.#ready;
    if (connection?.hasFreeStream && this.#waiting.size === 0) return call.begin(connection);
    if (this.#closed) return call.fail(neverSent("the channel is closed"));
    if (this.#waiting.size >= WAITING_CALLS_MAX) {
      const text = `${WAITING_CALLS_MAX} calls wait for ${this.target.authority}`;
      return call.fail(new RpcError(Status.RESOURCE_EXHAUSTED, text));
    }
    const failing = this.#failure && this.#clock.monotonic() < this.#retry_ms;
    if (failing && !this.#dialling) return call.fail(this.#failure!);
    this.#waiting.add(call);
    this.#connect();
  }

  /** The call has ended before it went out. */
  forget(call: ChannelCall): void {
    this.#waiting.delete(call);
  }

  #connect(): void {
    if (this.#ready || this.#dialling) return;
    let connection: Http2ClientConnection | undefined;
    let reason = "the connection was closed before it was open";
    try {
      const onOpen = () => {
        reason = "the connection was closed before the server spoke HTTP/2";
        connection = this.#speak(socket);
      };
      const socket = this.target.dial(onOpen, (error) => {
        reason = messageOf(error);
        socket.destroy();
      });
      this.#dialling = socket;
      const patience = this.#clock.after(CONNECT_TIMEOUT_MS, () => {
        const message = `no answer within ${CONNECT_TIMEOUT_MS} ms`;
        const late = new RpcError(Status.UNAVAILABLE, message);
        if (this.#dialling === socket) socket.destroy(late);
      });
      socket.once("close", () => {
        patience.cancel();
        if (this.#dialling === socket) this.#failed(reason);
        else if (connection) this.#left(connection);
      });
    } catch (thrown) {
      this.#failed(messageOf(thrown));
    }
  }

  #speak(socket: Socket): Http2ClientConnection {
    const connection: Http2ClientConnection = new Http2ClientConnection(socket, {
      clock: this.#clock,
      leavesSilent: this.#leavesSilent,
      turns: this.#turns,
      onReady: () => {
        if (this.#dialling === socket) this.#opened(connection);
        this.#sendWaiting();
      },
      onFreeStream: () => this.#sendWaiting(),
      onLeaving: () => this.#left(connection),
      onClose: () => {
        // Nothing is left to say to one that has not become ready.
        if (this.#dialling === socket) socket.destroy();
        else this.#left(connection);
      },
    });
    return connection;
  }

  #opened(connection: Http2ClientConnection): void {
    this.#dialling = undefined;
    this.#ready = connection;
    this.#failure = undefined;
    this.#failures = 0;
    // Only calls keep a process alive.
    connection.rest();
  }

  #left(connection: Http2ClientConnection): void {
    if (this.#ready !== connection) return;
    this.#ready = undefined;
    if (this.#waiting.size > 0) this.#connect();
  }

  #failed(reason: string): void {
    this.#dialling = undefined;
    if (this.#closed) return;
    const growth = RECONNECT_GROWTH ** this.#failures++;
    const rest_ms = Math.min(RECONNECT_MS_MIN * growth, RECONNECT_MS_MAX);
    this.#retry_ms = this.#clock.monotonic() + rest_ms;
    this.#failure = neverSent(reason);
    this.#failWaiting(this.#failure);
  }

  #failWaiting(reason: RpcError): void {
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) call.fail(reason);
  }

  #sendWaiting(): void {
    for (const call of this.#waiting) {
      const connection = this.#ready;
      if (!connection?.hasFreeStream) return;
      this.#waiting.delete(call);
      call.begin(connection);
    }
  }
}
