/**
 * JSON Pointers (RFC 6901) into values of transcripts. A segment `[metadata.name=a]` names the
 * first member of an array whose text at that path is `a`.
 */

type Container = Record<string, unknown>;

const MEMBER = /^\[([^=]+)=(.*)\]$/;

const segmentsOf = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((each) => each.replaceAll("~1", "/").replaceAll("~0", "~"));

/** Returns the member of `value` that a pointer names; undefined if it has none. */
export function memberAt(value: unknown, pointer: string): unknown {
  return segmentsOf(pointer).reduce((at: unknown, segment) => {
    const [, path, text] = MEMBER.exec(segment) ?? [];
    if (path === undefined) return (at as Container | undefined)?.[segment];
    const members = Array.isArray(at) ? (at as unknown[]) : [];
    return members.find((each) => String(memberAt(each, `/${path.replaceAll(".", "/")}`)) === text);
  }, value);
}

/** Returns a copy of `value` with another member at a pointer; null takes the member away. */
export function withMember(value: unknown, pointer: string, member: unknown): unknown {
  const [segment, ...rest] = pointer.split("/").slice(1);
  const name = segment!.replaceAll("~1", "/").replaceAll("~0", "~");
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Container) };
  const at = copy as Container;
  if (rest.length > 0) at[name] = withMember(at[name], `/${rest.join("/")}`, member);
  else if (member !== null) at[name] = member;
  else if (Array.isArray(copy)) copy.splice(Number(name), 1);
  else delete at[name];
  return copy;
}
