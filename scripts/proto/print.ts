import protobuf from "protobufjs";

/** A schema in canonical form: no comments, no options, everything in its first file's order. */
export function printSchema(root: protobuf.Root, packageName: string): string {
  const namespace = root.lookup(packageName);
  if (!(namespace instanceof protobuf.Namespace)) throw new Error(`no package ${packageName}`);
  const lines = ['syntax = "proto3";', "", `package ${packageName};`, ""];
  for (const item of namespace.nestedArray) lines.push(...printItem(item, ""), "");
  return `${lines.join("\n").trimEnd()}\n`;
}

function printItem(item: protobuf.ReflectionObject, indent: string): string[] {
  if (item instanceof protobuf.Type) return printMessage(item, indent);
  if (item instanceof protobuf.Enum) {
    const values = Object.entries(item.values).map(([name, id]) => `${indent}  ${name} = ${id};`);
    const alias = new Set(Object.values(item.values)).size < values.length;
    const option = alias ? [`${indent}  option allow_alias = true;`] : [];
    return [`${indent}enum ${item.name} {`, ...option, ...values, `${indent}}`];
  }
  if (item instanceof protobuf.Service) {
    const methods = item.methodsArray.map((method) => {
      const request = `${method.requestStream ? "stream " : ""}${method.requestType}`;
      const response = `${method.responseStream ? "stream " : ""}${method.responseType}`;
      return `  rpc ${method.name}(${request}) returns (${response});`;
    });
    return [`service ${item.name} {`, ...methods, "}"];
  }
  return [];
}

function printMessage(type: protobuf.Type, indent: string): string[] {
  const inner = `${indent}  `;
  const lines = [`${indent}message ${type.name} {`];
  for (const nested of type.nestedArray) lines.push(...printItem(nested, inner));
  const seen = new Set<string>();
  for (const field of type.fieldsArray) {
    const oneof = field.partOf;
    if (oneof && !isProto3Optional(oneof)) {
      if (seen.has(oneof.name)) continue;
      seen.add(oneof.name);
      const members = oneof.fieldsArray.map((member) => `${inner}  ${printField(member)}`);
      lines.push(`${inner}oneof ${oneof.name} {`, ...members, `${inner}}`);
    } else lines.push(`${inner}${oneof ? "optional " : ""}${printField(field)}`);
  }
  lines.push(`${indent}}`);
  return lines;
}

/** protobufjs represents `optional x` as a oneof of its own. */
export function isProto3Optional(oneof: protobuf.OneOf): boolean {
  return oneof.fieldsArray.length === 1 && oneof.name.startsWith("_");
}

function printField(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) {
    return `map<${field.keyType}, ${field.type}> ${field.name} = ${field.id};`;
  }
  return `${field.repeated ? "repeated " : ""}${field.type} ${field.name} = ${field.id};`;
}
