import { decodeJson, zeroStruct } from "@raft2kube/api/codec/json.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { CommandError } from "../../terminal.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Requirements on each value that is set at a dotted path; in a list, on each item. */
export type Rules = Readonly<Record<string, readonly [problem: string, holds: Holds]>>;
type Holds = (value: unknown) => boolean;

/** A kind of document: its version, what of upstream's type is supported, and which values. */
export interface Form {
  readonly apiVersion: string;
  /** The type's name in the facts of the API: `kubelet/v1beta1.KubeletConfiguration`. */
  readonly type: string;
  /** Dotted paths of fields, each with all below it. */
  readonly supported: readonly string[];
  readonly rules: Rules;
}

export const isOne =
  (...values: unknown[]): Holds =>
  (value) =>
    values.includes(value);

/** Rules by which fields have one value, as the same reason says. */
export const only = (value: unknown, problem: string, ...paths: string[]): Rules =>
  Object.fromEntries(paths.map((path) => [path, [problem, isOne(value)]]));

/** Throws CommandError `CONFIG` naming every fault of a document. */
export function requireValid(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const remedy = "take the line or flag away, or see r2k config print for what is supported";
  throw new CommandError("CONFIG", `${what}: ${wrong.join("; ")}`, { remedy });
}

/** Returns a document as its type. Throws CommandError `CONFIG` with every fault by its field. */
export function checked<T>(what: string, value: Fields, form: Form): T {
  requireValid(what, faultsOf(value, form));
  return value as T;
}

function faultsOf(value: Fields, { type, supported, rules }: Form): string[] {
  const { apiVersion: _, kind: __, ...fields } = value;
  try {
    const { object, unknownFields } = decodeJson(type, fields);
    const isSupported = (path: string) =>
      supported.some((each) => path === each || path.startsWith(`${each}.`));
    const others = setFields(object, zeroStruct(type)).filter((path) => !isSupported(path));
    return [
      ...[...unknownFields, ...others].map((path) => `the field ${path} is not supported`),
      ...Object.entries(rules).flatMap(([path, [problem, holds]]) =>
        valuesAt(value, path.split("."))
          .filter((each) => !holds(each))
          .map((each) => `${path} ${String(each)}: ${problem}`),
      ),
    ];
  } catch (thrown) {
    return [messageOf(thrown)];
  }
}

/** Paths of values that Go's encoders do not write for fields that are not set. */
function setFields(value: unknown, unset: unknown, path = ""): string[] {
  if (isRecord(value)) {
    return Object.entries(value).flatMap(([name, inner]) => {
      const place = path === "" ? name : `${path}.${name}`;
      return setFields(inner, isRecord(unset) ? unset[name] : undefined, place);
    });
  }
  const isEmpty = value === unset || value === "0s" || (Array.isArray(value) && value.length === 0);
  return isEmpty ? [] : [path];
}

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path));
  const [name, ...below] = path;
  if (name !== undefined) return isRecord(value) ? valuesAt(value[name], below) : [];
  return [undefined, null, ""].includes(value as never) ? [] : [value];
}
