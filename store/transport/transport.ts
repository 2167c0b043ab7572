import type { Message } from "../core/message.ts";

/** Carries messages to other members: unordered, lossy, never blocking. */
export interface Transport {
  send(messages: Message[]): void;
  close(): Promise<void>;
}

/** For a cluster of one: there is nobody to send to. */
export function soleMemberTransport(): Transport {
  return {
    send(messages) {
      const first = messages[0];
      if (first) throw new RangeError(`no transport to member ${first.to.toString(16)}`);
    },
    close: () => Promise.resolve(),
  };
}
