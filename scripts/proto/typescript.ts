import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { generateDescriptors } from "./descriptors.ts";
import { isProto3Optional } from "./print.ts";
import { SCHEMA_SOURCES, type SchemaSource } from "./sources.ts";

const schemaDir = join(import.meta.dirname, "../../base/proto/schema");

/** Each generated file's name (without `.ts`) and text. */
export function generateAll(): [name: string, text: string][] {
  const files: [string, string][] = SCHEMA_SOURCES.map((source) => {
    const several = source.files.length > 1;
    const packages = source.files.map((file) => file.packageName);
    const paths = packages.map((name) => (several ? `${source.name}/${name}` : source.name));
    return [source.name, generate(paths, packages, source)];
  });
  files.push(["health", generate(["health"], ["grpc.health.v1"], PLAIN)]);
  files.push(["reflection", generate(["reflection"], ["grpc.reflection.v1"], PLAIN)]);
  files.push(["descriptors", generateDescriptors()]);
  const bigints = /^(ID|clusterId|memberId|from|to|transferee)$/;
  const otlp = { bigints: /UnixNano$/ };
  files.push(["otlp", generate(["otlp"], ["opentelemetry.proto.collector.trace.v1"], otlp)]);
  files.push(["kms", generate(["kms"], ["v2"], PLAIN)]);
  files.push(["peer", generate(["peer"], ["r2k.peer.v1"], { bigints })]);
  return files;
}

type Choices = Pick<SchemaSource, "bigints" | "json">;
const PLAIN: Choices = { bigints: /^$/ };

function generate(paths: string[], packages: string[], choices: Choices): string {
  const root = new protobuf.Root();
  for (const path of paths) {
    const text = readFileSync(join(schemaDir, `${path}.proto`), "utf8");
    protobuf.parse(text, root, { keepCase: true });
  }
  addWellKnown(root);
  root.resolveAll();
  const used = packages.map((name) => root.lookup(name) as protobuf.Namespace);
  const wellKnown = wellKnownUsed(root, used);
  const lines = [
    "// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.",
    'import { MessageType } from "../codec.ts";',
  ];
  const services = used.flatMap((namespace) => namespace.nestedArray.filter(isService));
  const kinds = new Set(services.flatMap((service) => service.methodsArray.map(kindOf)));
  if (services.length > 0) {
    const names = [...kinds].sort().join(", ");
    lines.push(`import type { ${names}, ServiceTable } from "../service.ts";`);
  }
  for (const type of wellKnown) lines.push("", ...message(type, choices));
  for (const namespace of used) {
    for (const item of flatten(namespace)) {
      if (item instanceof protobuf.Type) lines.push("", ...message(item, choices));
      if (item instanceof protobuf.Enum) lines.push("", ...enumeration(item));
    }
  }
  for (const item of services) lines.push("", ...service(item));
  return `${lines.join("\n")}\n`;
}

function isService(item: protobuf.ReflectionObject): item is protobuf.Service {
  return item instanceof protobuf.Service;
}

function addWellKnown(root: protobuf.Root): void {
  for (const file of ["timestamp", "wrappers"]) {
    const json = protobuf.common.get(`google/protobuf/${file}.proto`);
    if (json?.nested) root.addJSON(json.nested);
  }
}

function wellKnownUsed(root: protobuf.Root, used: protobuf.Namespace[]): protobuf.Type[] {
  const google = root.lookup("google.protobuf") as protobuf.Namespace;
  const types = used.flatMap(flatten).filter((item) => item instanceof protobuf.Type);
  const referred = new Set(types.flatMap((type) => type.fieldsArray.map((f) => f.resolvedType)));
  return google.nestedArray.filter((item) =>
    referred.has(item as protobuf.Type),
  ) as protobuf.Type[];
}

function flatten(namespace: protobuf.Namespace): protobuf.ReflectionObject[] {
  return namespace.nestedArray.flatMap((item) =>
    "nestedArray" in item ? [item, ...flatten(item as protobuf.Namespace)] : [item],
  );
}

/** `Outer_Inner` for nested names; the package is left out. */
function nameOf(item: protobuf.ReflectionObject): string {
  const { parent } = item;
  return parent instanceof protobuf.Type ? `${nameOf(parent)}_${item.name}` : item.name;
}

/** proto3 JSON's lowerCamel; a name without underscores stays as it is (`ID`, `TTL`). */
function camel(name: string): string {
  return name.replace(/_([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
}

const NUMBERS_64 = new Set(["int64", "uint64", "sint64", "fixed64"]);

function isBigint(field: protobuf.Field, bigints: RegExp): boolean {
  return NUMBERS_64.has(field.type) && bigints.test(camel(field.name));
}

function tsType(field: protobuf.Field, bigints: RegExp): string {
  const { resolvedType } = field;
  if (resolvedType) return nameOf(resolvedType);
  if (field.type === "string") return "string";
  if (field.type === "bytes") return "Buffer";
  if (field.type === "bool") return "boolean";
  return isBigint(field, bigints) ? "bigint" : "number";
}

function isOptional(field: protobuf.Field): boolean {
  const { partOf } = field;
  if (field.repeated || field instanceof protobuf.MapField) return false;
  return field.resolvedType instanceof protobuf.Type || (partOf !== null && partOf !== undefined);
}

function message(type: protobuf.Type, { bigints, json }: Choices): string[] {
  const name = nameOf(type);
  const members: string[] = [];
  const rows: string[] = [];
  for (const field of type.fieldsArray) {
    const key = camel(field.name);
    const ts = tsType(field, bigints);
    const mapKey = field instanceof protobuf.MapField ? field.keyType : undefined;
    const whole = mapKey ? `Record<string, ${ts}>` : field.repeated ? `${ts}[]` : ts;
    members.push(`  ${key}${isOptional(field) ? `?: ${whole} | undefined` : `: ${whole}`};`);
    const reference = field.resolvedType instanceof protobuf.Type;
    const scalar = field.resolvedType instanceof protobuf.Enum ? '"int32"' : `"${field.type}"`;
    const parts = [`id: ${field.id}`, `name: "${key}"`];
    parts.push(`type: ${reference ? `() => ${ts} as never` : scalar}`);
    if (mapKey) parts.push(`mapKey: "${mapKey}"`);
    else if (field.repeated) parts.push("repeated: true");
    if (isOptional(field)) parts.push("optional: true");
    const { partOf } = field;
    if (partOf && !isProto3Optional(partOf)) parts.push(`oneof: "${partOf.name}"`);
    if (isBigint(field, bigints)) parts.push("bigint: true");
    if (json) parts.push(...jsonParts(field));
    rows.push(`  { ${parts.join(", ")} },`);
  }
  const body =
    members.length === 0
      ? [`export type ${name} = Record<never, never>;`]
      : [`export interface ${name} {`, ...members, "}"];
  const full = type.fullName.slice(1);
  const table = [
    `export const ${name}: MessageType<${name}> = new MessageType("${full}", () => [`,
    ...rows,
    "]);",
  ];
  return [...body, ...table];
}

/** The parts that only proto3 JSON needs. */
function jsonParts({ name, resolvedType }: protobuf.Field): string[] {
  return [
    ...(name === camel(name) ? [] : [`original: "${name}"`]),
    ...(resolvedType instanceof protobuf.Enum ? [`values: () => ${nameOf(resolvedType)}`] : []),
  ];
}

function enumeration(item: protobuf.Enum): string[] {
  const name = nameOf(item);
  const rows = Object.entries(item.values).map(([key, id]) => `  ${key}: ${id},`);
  return [`export type ${name} = number;`, `export const ${name} = {`, ...rows, "} as const;"];
}

function kindOf(method: protobuf.Method): string {
  if (method.requestStream) return method.responseStream ? "Bidi" : "ClientStream";
  return method.responseStream ? "ServerStream" : "Unary";
}

function service(item: protobuf.Service): string[] {
  const name = item.name;
  const shape = item.methodsArray.map((method) => {
    const types = [method.resolvedRequestType, method.resolvedResponseType];
    const [request, response] = types.map((type) => nameOf(type as protobuf.Type));
    return `  ${lowerFirst(method.name)}: ${kindOf(method)}<${request}, ${response}>;`;
  });
  const rows = item.methodsArray.flatMap((method) => [
    `    ${lowerFirst(method.name)}: {`,
    `      name: "${method.name}",`,
    `      request: ${nameOf(method.resolvedRequestType as protobuf.Type)},`,
    `      response: ${nameOf(method.resolvedResponseType as protobuf.Type)},`,
    `      clientStream: ${method.requestStream === true},`,
    `      serverStream: ${method.responseStream === true},`,
    "    },",
  ]);
  return [
    `export interface ${name}Methods {`,
    ...shape,
    "}",
    `export const ${name} = {`,
    `  fullName: "${item.fullName.slice(1)}",`,
    "  methods: {",
    ...rows,
    "  },",
    `} as unknown as ServiceTable<${name}Methods>;`,
  ];
}

const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
