import type { FieldTable, Init, MessageType } from "./codec.ts";

/** Bounds of one part of a message. */
export type PartLimits = { readonly items_max: number; readonly bytes: number };

/** The items of a list that can be encoded apart from each other; undefined for other fields. */
function listOf(field: FieldTable, value: unknown): readonly unknown[] | undefined {
  if (!field.repeated || typeof field.type !== "function") return undefined;
  return (value as Record<string, unknown[] | undefined>)[field.name];
}

/** Whether a list of messages in `value` is longer than a part. */
export function isLong<T>(
  type: MessageType<T>,
  value: Init<T>,
  { items_max }: PartLimits,
): boolean {
  for (const field of type.fields) {
    if ((listOf(field, value)?.length ?? 0) > items_max) return true;
  }
  return false;
}

/**
 * The bytes of `value` in parts, so that the work can be divided: together they are those that
 * `type.encode` returns. A list is divided as its items before were large.
 */
export function* encodeParts<T>(
  type: MessageType<T>,
  value: Init<T>,
  { items_max, bytes }: PartLimits,
): Generator<Buffer> {
  const encode = (name: string, of: unknown) => type.encode({ [name]: of } as Init<T>);
  for (const field of type.fields) {
    const { name } = field;
    const items = listOf(field, value);
    if (!items) yield encode(name, (value as Record<string, unknown>)[name]);
    for (let at = 0, count = 1; items && at < items.length; ) {
      const part = encode(name, items.slice(at, at + count));
      yield part;
      at += count;
      count = Math.max(1, Math.min(items_max, Math.floor((bytes * count) / part.length)));
    }
  }
}
