import { isDeepStrictEqual } from "node:util";

/** Where two JSON values differ: `body.spec.x: theirs 1, ours 2`. */
export function differences(theirs: unknown, ours: unknown, at = ""): string[] {
  if (isDeepStrictEqual(theirs, ours)) return [];
  if (!isContainer(theirs) || !isContainer(ours) || Array.isArray(theirs) !== Array.isArray(ours)) {
    return [`${at}: theirs ${shown(theirs)}, ours ${shown(ours)}`];
  }
  const names = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
  return [...names].flatMap((name) =>
    differences(theirs[name], ours[name], at === "" ? name : `${at}.${name}`),
  );
}

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const SHOWN_MAX = 300;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}...`;
}
