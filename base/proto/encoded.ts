import { Encoded, type Init, type MessageType } from "./codec.ts";

const KNOWN = new WeakMap<object, Encoded>();

/** A message, never changed again, that many others contain: it is encoded once for all of them. */
export function encodedOnce<T extends object>(type: MessageType<T>, message: T): Init<T> {
  return known(type, message) as Init<T>;
}

/** How many bytes such a message takes. */
export function encodedSize<T extends object>(type: MessageType<T>, message: T): number {
  return known(type, message).bytes.length;
}

function known<T extends object>(type: MessageType<T>, message: T): Encoded {
  let encoded = KNOWN.get(message);
  if (!encoded) KNOWN.set(message, (encoded = new Encoded(type.encode(message as Init<T>))));
  return encoded;
}
