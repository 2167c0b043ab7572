import type { Init, MessageType } from "@raft2kube/proto/codec.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";

type Fields = Record<string, unknown>;

/**
 * A message with every field set, from one that left some out: what decoding its encoding would
 * give, without doing either. Bytes are taken as they are, not copied.
 */
export function complete<T>(type: MessageType<T>, init: Init<NoInfer<T>>): T {
  const message: Fields = {};
  for (const field of type.fields) {
    const given = (init as Fields)[field.name];
    const nested = typeof field.type === "function" ? field.type : undefined;
    if (given === undefined || given === null) message[field.name] = undefined;
    else if (field.repeated) {
      message[field.name] = nested
        ? (given as unknown[]).map((item) => complete(nested(), item as never))
        : [...(given as unknown[])];
    } else if (nested) message[field.name] = complete(nested(), given as never);
    else if (field.type === "bytes") message[field.name] = asBuffer(given as Uint8Array);
    else message[field.name] = given;
  }
  const defaults = type.create() as Fields;
  for (const name of Object.keys(defaults)) message[name] ??= defaults[name];
  return message as T;
}
