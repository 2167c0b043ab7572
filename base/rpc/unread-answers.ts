import type { Duplex } from "node:stream";
import type { FrameSender } from "@raft2kube/h2/sender.ts";
import {
  UNREAD_ANSWERS_BYTES_MAX,
  UNREAD_ANSWERS_LOOK_MS,
  UNREAD_ANSWERS_TIME_MS,
} from "./limits.ts";

interface Connection {
  readonly socket: Duplex;
  readonly sender: Pick<FrameSender, "waitingBytes" | "takenBytes">;
}

/**
 * Ends connections whose clients leave their answers unread, when these are too many: beyond
 * UNREAD_ANSWERS_BYTES_MAX large answers are refused to all clients. The slowest end first, of
 * those that would not be done in UNREAD_ANSWERS_TIME_MS.
 */
export class UnreadAnswers {
  /** Bytes taken until the last look, by connection that had answers waiting. */
  #taken = new Map<Connection, number>();

  /** Ends the slowest; called every UNREAD_ANSWERS_LOOK_MS with the bytes that wait on all. */
  look(connections: Iterable<Connection>, unreadBytes: number): void {
    const waiting = [...connections].filter(({ sender }) => sender.waitingBytes > 0);
    const slowest = unreadBytes > UNREAD_ANSWERS_BYTES_MAX ? this.#slowest(waiting) : [];
    this.#taken = new Map(waiting.map((each) => [each, each.sender.takenBytes]));
    for (const { socket, sender } of slowest) {
      if (unreadBytes <= UNREAD_ANSWERS_BYTES_MAX) return;
      unreadBytes -= sender.waitingBytes;
      socket.destroy();
    }
  }

  #slowest(waiting: readonly Connection[]): Connection[] {
    const known = waiting.flatMap((connection) => {
      const { waitingBytes, takenBytes } = connection.sender;
      const before = this.#taken.get(connection);
      // Otherwise its answers may have come just now.
      const perMs = before !== undefined && (takenBytes - before) / UNREAD_ANSWERS_LOOK_MS;
      return perMs === false ? [] : [{ connection, left_ms: waitingBytes / perMs }];
    });
    return known
      .filter(({ left_ms }) => left_ms > UNREAD_ANSWERS_TIME_MS)
      .sort((a, b) => (a.left_ms === b.left_ms ? 0 : b.left_ms - a.left_ms))
      .map(({ connection }) => connection);
  }
}
