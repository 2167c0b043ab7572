/** Turns what `read-types.go` printed into the compact facts of `api/facts/`. Pure. */

import type { FieldFact, PackageFacts, TypeFact } from "../../api/facts.ts";
import { type ApiPackage, PACKAGES, SPECIAL_TYPES } from "./packages.ts";

export interface GoField {
  readonly name: string;
  readonly type: string;
  readonly json: string;
  readonly protobuf: string;
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  readonly embedded?: boolean;
  readonly markers?: readonly string[];
}

export interface GoType {
  readonly name: string;
  readonly struct: boolean;
  readonly type?: string;
  readonly fields?: readonly GoField[];
  readonly markers?: readonly string[];
  readonly values?: readonly string[];
}

export type GoPackage = { readonly path: string; readonly types: readonly GoType[] };

const TYPE_META = "k8s.io/apimachinery/pkg/apis/meta/v1.TypeMeta";

/** Go's words for scalars, and named strings of packages that we do not read. */
const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bool: "bool",
  int: "int64",
  int32: "int32",
  int64: "int64",
  uint8: "int32",
  uint16: "int32",
  uint32: "int64",
  float32: "double",
  float64: "double",
  "[]byte": "bytes",
  "[]uint8": "bytes",
  byte: "int32",
  "interface{}": "JSON",
  "k8s.io/apimachinery/pkg/types.UID": "string",
  "k8s.io/apimachinery/pkg/types.NodeName": "string",
  "k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1.BootstrapTokenString": "string",
  "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4.EnvVar": "core/v1.EnvVar",
};

/** Types that never stand in JSON or protobuf, or that are a type of the same name with a kind. */
const LEFT_OUT = new Set([
  ...["InternalEvent", "Clock", "Patch"].map((name) => `meta/v1.${name}`),
  "apiserver/v1.TracingConfiguration",
  "bootstraptoken/v1.BootstrapTokenString",
  "kubeadm/v1beta4.EnvVar",
]);

const SHORT_NAMES = new Map(PACKAGES.map((each) => [`${each.module}/${each.path}`, each.name]));

/** `*k8s.io/api/core/v1.Pod` seen from `core/v1` as `Pod`; `[]X` stays, `map[string]X` is `{}X`. */
function shortType(go: string, here: ApiPackage): string {
  const scalar = SCALARS[go] ?? SPECIAL_TYPES[go];
  if (scalar !== undefined) return scalar;
  if (go.startsWith("*")) return shortType(go.slice(1), here);
  if (go.startsWith("[]")) return `[]${shortType(go.slice(2), here)}`;
  if (go.startsWith("map[")) return `{}${shortType(go.slice(go.indexOf("]") + 1), here)}`;
  const dot = go.lastIndexOf(".");
  const short = SHORT_NAMES.get(go.slice(0, dot));
  if (short === undefined) throw new Error(`no short name for the Go type ${go}`);
  return short === here.name ? go.slice(dot + 1) : `${short}${go.slice(dot)}`;
}

/** The value of `+name=value`, "" for a bare `+name`, undefined when there is no such marker. */
function marker(markers: readonly string[] | undefined, name: string): string | undefined {
  const found = markers?.find((each) => each === name || each.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

function everyMarker(markers: readonly string[] | undefined, name: string): string[] {
  return (markers ?? [])
    .filter((each) => each.startsWith(`${name}=`))
    .map((each) => each.slice(name.length + 1));
}

function defaultOf(markers: readonly string[] | undefined): unknown {
  const text = marker(markers, "default");
  if (text === undefined || text.startsWith("ref(")) return undefined;
  return JSON.parse(text) as unknown;
}

function protobufOf(tag: string): { id?: number; name?: string } {
  if (tag === "") return {};
  const parts = tag.split(",");
  const name = parts.find((each) => each.startsWith("name="))?.slice("name=".length);
  return { id: Number(parts[1]), ...(name === undefined ? {} : { name }) };
}

function fieldFact(field: GoField, here: ApiPackage): FieldFact {
  const [jsonName = "", ...options] = field.json.split(",");
  const inline = options.includes("inline") || (field.embedded === true && jsonName === "");
  const wire = protobufOf(field.protobuf);
  const marked = marker(field.markers, "required") !== undefined;
  const optional =
    !marked &&
    (options.includes("omitempty") ||
      options.includes("omitzero") ||
      marker(field.markers, "optional") !== undefined);
  const listKeys = everyMarker(field.markers, "listMapKey");
  const fallback = defaultOf(field.markers);
  return {
    name: jsonName !== "" ? jsonName : (wire.name ?? field.name),
    type: shortType(field.type, here),
    ...(wire.id === undefined ? {} : { id: wire.id }),
    ...(inline ? { inline } : {}),
    ...(field.type.startsWith("*") ? { pointer: true } : {}),
    ...(options.includes("omitempty") ? { omitempty: true } : {}),
    ...(options.includes("omitzero") ? { omitzero: true } : {}),
    ...(optional || inline ? {} : { required: true }),
    ...structure(field, "listType", "list"),
    ...(listKeys.length > 0 ? { listKeys } : {}),
    ...structure(field, "mapType", "map"),
    ...structure(field, "structType", "map"),
    ...(field.patchStrategy === undefined ? {} : { patch: field.patchStrategy }),
    ...(field.patchMergeKey === undefined ? {} : { mergeKey: field.patchMergeKey }),
    ...(fallback === undefined ? {} : { default: fallback }),
  };
}

function structure(field: GoField, from: string, to: string): Record<string, string> {
  const value = marker(field.markers, from);
  return value === undefined ? {} : { [to]: value };
}

function structFact(type: GoType, here: ApiPackage): TypeFact | undefined {
  const all = type.fields ?? [];
  const typeMeta = all.some((each) => each.type === TYPE_META);
  const kept = all.filter(
    (each) =>
      each.type !== TYPE_META && each.json !== "-" && (each.json !== "" || each.protobuf !== ""),
  );
  if (kept.length === 0 && all.length > 0 && !typeMeta) return undefined;
  const atomic = marker(type.markers, "structType");
  return {
    ...(typeMeta ? { typeMeta } : {}),
    ...(atomic === undefined ? {} : { map: atomic }),
    fields: kept.map((each) => fieldFact(each, here)),
  };
}

function namedFact(type: GoType, here: ApiPackage): TypeFact | undefined {
  const go = type.type ?? "other";
  if (go === "other" || go === "interface{}") return undefined;
  const base = shortType(go, here);
  if (base.endsWith(`.${type.name}`)) return undefined;
  const values = [...new Set(type.values ?? [])].sort();
  const closed = marker(type.markers, "enum") !== undefined;
  const wrapped = marker(type.markers, "protobuf.nullable") !== undefined;
  return {
    base,
    ...(values.length > 0 ? { values } : {}),
    ...(closed ? { closed } : {}),
    ...(wrapped && base.startsWith("[]") ? { wrapped } : {}),
  };
}

/** The facts of one package: its types by name, in upstream's order of fields. */
export function packageFacts(source: GoPackage, here: ApiPackage): PackageFacts {
  const types: Record<string, TypeFact> = {};
  const sorted = [...source.types].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const type of sorted) {
    if (`${source.path}.${type.name}` in SPECIAL_TYPES || type.name === "TypeMeta") continue;
    if (!/^[A-Z]/.test(type.name) || LEFT_OUT.has(`${here.name}.${type.name}`)) continue;
    const fact = type.struct ? structFact(type, here) : namedFact(type, here);
    if (fact !== undefined) types[type.name] = fact;
  }
  return { package: here.name, group: here.group, version: here.name.split("/")[1]!, types };
}
