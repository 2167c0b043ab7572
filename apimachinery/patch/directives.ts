import { ApiError } from "../errors/api-error.ts";
import { isObject, type Json } from "../json/json.ts";

/** Directives that a strategic merge patch carries among its fields. */
export const DIRECTIVES = {
  patch: "$patch",
  retainKeys: "$retainKeys",
  deleteFromPrimitiveList: "$deleteFromPrimitiveList/",
  setElementOrder: "$setElementOrder/",
  /** Upstream takes all that starts so for the one above. */
  anyElementOrder: "$setElementOrder",
} as const;

/** Identifies a merge key's value, or a scalar item. */
export const idOfValue = (value: Json): string => JSON.stringify(value);

/** 500 for a strategic patch that makes no sense, as upstream. */
export function unfit(message: string): ApiError {
  return new ApiError({ code: 500, reason: "", message });
}

/** An object as Go prints a map: `map[a:1 b:x]`. */
export function goMap(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(" ")}]`;
  if (!isObject(value)) return value === null ? "<nil>" : String(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${name}:${goMap(value[name])}`);
  return `map[${members.join(" ")}]`;
}
