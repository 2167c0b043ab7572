import { DecodeError, type MessageType } from "@raft2kube/proto/codec.ts";
import type { Target } from "../target.ts";

/** A kind of message, one that is right, and what is done with one that was decoded. */
export interface MessageCase {
  decode(bytes: Buffer): void;
  right: Buffer;
}

/** A message of one type, which decodes to what it is encoded to, and is then used. */
export function messageCase<T>(
  type: MessageType<T>,
  right: Parameters<MessageType<T>["encode"]>[0],
  use: (message: T) => void = () => undefined,
): MessageCase {
  return {
    right: type.encode(right),
    decode(bytes) {
      const message = type.decode(bytes);
      const sent = type.encode(message as never);
      if (!type.encode(type.decode(sent) as never).equals(sent)) {
        throw new Error(`${type.name} is another message when sent on`);
      }
      use(message);
    },
  };
}

/** An input is one byte that chooses the case, and the message's bytes. */
export function messageTarget(name: string, cases: readonly MessageCase[]): Target {
  return {
    name,
    corpus: async () =>
      cases.map(({ right }, index) => Buffer.concat([Buffer.from([index]), right])),
    async read(bytes) {
      const chosen = cases[(bytes[0] ?? 0) % cases.length]!;
      try {
        chosen.decode(bytes.subarray(1));
        return "taken";
      } catch (thrown) {
        if (thrown instanceof DecodeError) return "refused";
        throw thrown;
      }
    },
  };
}
