import { decodeJson, zeroStruct } from "@raft2kube/api/codec/json.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { CommandError } from "../../terminal.ts";
import { KUBEADM_VERSION } from "../../version.ts";
import { tableIn } from "../texts.ts";

export type Fields = Readonly<Record<string, unknown>>;

export type Kind =
  | "ClusterConfiguration"
  | "InitConfiguration"
  | "JoinConfiguration"
  | "KubeletConfiguration"
  | "KubeProxyConfiguration";

/** The rules of values by dotted paths, as `texts/forms.yaml` describes them. */
export type Rules = Readonly<Record<string, readonly [problem: string, wanted: Wanted]>>;
type Wanted = string | readonly unknown[] | ((value: unknown) => boolean);

interface Form {
  readonly apiVersion: string;
  readonly type: string;
  readonly supported: readonly string[];
  readonly rules: Rules;
}

type Forms = Readonly<Record<Kind, Form>>;
let forms: Forms | undefined;
/** How documents of each kind are read; a command reads many. */
export const formsOf = (): Forms => (forms ??= tableIn<Forms>("forms.yaml"));

/** Throws CommandError `CONFIG` for a document that is of no known kind and version. */
export function requireKind(path: string, kind: string, version: string): void {
  const known: Readonly<Record<string, Form>> = formsOf();
  if (known[kind]?.apiVersion === version) return;
  const kinds = Object.keys(known).join(", ");
  throw new CommandError("CONFIG", `${path}: ${kind} of ${version} is not supported`, {
    remedy: `write ${kinds}; r2k config migrate rewrites kubeadm's as ${KUBEADM_VERSION}`,
  });
}

/** Throws CommandError `CONFIG` naming every fault of a document. */
export function requireValid(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const remedy = "take the line or flag away, or see r2k config print for what is supported";
  throw new CommandError("CONFIG", `${what}: ${wrong.join("; ")}`, { remedy });
}

/**
 * Returns a document as upstream's type of its kind. Throws CommandError `CONFIG` with every fault
 * by its field: of the kind's form, and of `more` rules.
 */
export function checked<T>(what: string, value: Fields, kind: Kind, more: Rules = {}): T {
  const { type, supported, rules } = formsOf()[kind];
  const { apiVersion: _, kind: __, ...fields } = value;
  let wrong: string[];
  try {
    const { object } = decodeJson(type, fields);
    // A cluster of a later version has fields that are not known, and need not be set.
    const { unknownFields } = decodeJson(type, withoutUnset(fields));
    const isSupported = (path: string) =>
      supported.some((each) => path === each || path.startsWith(`${each}.`));
    const others = [
      ...unknownFields,
      ...setFields(object, zeroStruct(type)).filter((path) => !isSupported(path)),
    ];
    wrong = [
      ...others.map((path) => `the field ${path} is not supported`),
      ...Object.entries({ ...rules, ...more }).flatMap(([path, [problem, wanted]]) =>
        valuesAt(value, path.split("."))
          .filter((each) => !isWanted(each, wanted))
          .map((each) => `${path} ${String(each)}: ${problem}`),
      ),
    ];
  } catch (thrown) {
    wrong = [messageOf(thrown)];
  }
  requireValid(what, wrong);
  return value as T;
}

function isWanted(value: unknown, wanted: Wanted): boolean {
  if (typeof wanted === "string") return new RegExp(wanted).test(String(value));
  return typeof wanted === "function" ? wanted(value) : wanted.includes(value);
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

/** Whether Go's encoders write this value for a field of some type that is not set. */
function isUnset(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isUnset);
  return [undefined, null, "", 0, false, "0s"].includes(value as never);
}

/** Removes fields with values that are those of fields which are not set. */
const withoutUnset = (fields: Fields) =>
  JSON.parse(JSON.stringify(fields), (_, value: unknown) => {
    const set = isRecord(value) ? Object.entries(value).filter(([, inner]) => !isUnset(inner)) : [];
    return isRecord(value) ? Object.fromEntries(set) : value;
  }) as Fields;

/** The values at a path that are set; of a list each item, which may be empty. */
function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (Array.isArray(value)) {
    return path.length === 0 ? value : value.flatMap((item) => valuesAt(item, path));
  }
  const [name, ...below] = path;
  if (name !== undefined) return isRecord(value) ? valuesAt(value[name], below) : [];
  return [undefined, null, ""].includes(value as never) ? [] : [value];
}
