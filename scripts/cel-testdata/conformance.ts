/** Converts cel-spec's simple tests into plain cases. */
import type { Message } from "./textproto.ts";

/** A value as data: scalars by their type's name, lists, and maps as pairs. */
export type ValueData = null | boolean | string | { readonly [type: string]: unknown };

export interface ConformanceCase {
  readonly name: string;
  readonly expr: string;
  readonly container?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly bindings?: Readonly<Record<string, ValueData>>;
  readonly value?: ValueData;
  /** The type that the checker finds. */
  readonly type?: string;
  /** The error that the specification's authors had in mind; texts of implementations differ. */
  readonly error?: string;
}

export interface Converted {
  /** Cases by section. */
  readonly sections: Readonly<Record<string, readonly ConformanceCase[]>>;
  /** Names of cases by the reason why they are left out. */
  readonly leftOut: Readonly<Record<string, readonly string[]>>;
}

const MESSAGES = "needs protobuf messages or enums, which Kubernetes does not have";
const DECLARES = "declares functions that have no implementation";
const UNCHECKED = "is to be evaluated without a check, which Kubernetes never does";

export function convertFile(file: Message): Converted {
  const sections: Record<string, ConformanceCase[]> = {};
  const leftOut: Record<string, string[]> = {};
  for (const section of messages(file, "section")) {
    const name = text(section, "name")!;
    for (const test of messages(section, "test")) {
      const reason = whyLeftOut(test);
      const label = `${name}/${text(test, "name")}`;
      if (reason === undefined) (sections[name] ??= []).push(convertTest(test));
      else (leftOut[reason] ??= []).push(label);
    }
  }
  return { sections, leftOut };
}

function whyLeftOut(test: Message): string | undefined {
  const words = JSON.stringify(test, (_key, value: unknown) =>
    isBuffer(value) ? Buffer.from(value.data).toString("utf8") : value,
  );
  const plain = words
    .replaceAll(
      /"object_value":\[\{"\[type\.googleapis\.com\/google\.protobuf\.(?:Timestamp|Duration)\]"/g,
      "",
    )
    .replaceAll(/google\.protobuf\.(?:Timestamp|Duration)(?![\w{])/g, "");
  if (
    /TestAllTypes|object_value|enum_value|message_type|google\.protobuf\.|GlobalEnum|wrapper/.test(
      plain,
    )
  )
    return MESSAGES;
  if (messages(test, "type_env").some((each) => each["function"] !== undefined)) return DECLARES;
  return test["disable_check"]?.[0] === "true" ? UNCHECKED : undefined;
}

function isBuffer(value: unknown): value is { data: number[] } {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    "data" in value &&
    value.type === "Buffer"
  );
}

function messages(message: Message, field: string): readonly Message[] {
  return (message[field] ?? []) as readonly Message[];
}

function text(message: Message, field: string): string | undefined {
  return message[field]?.[0]?.toString();
}

function convertTest(test: Message): ConformanceCase {
  const container = text(test, "container");
  const typed = messages(test, "typed_result")[0];
  const value = messages(test, "value")[0] ?? (typed && messages(typed, "result")[0]);
  const type = typed && messages(typed, "deduced_type")[0];
  const errors = messages(test, "eval_error")[0];
  const variables = messages(test, "type_env").flatMap((each) => {
    const ident = messages(each, "ident")[0];
    return ident === undefined
      ? []
      : [[text(each, "name")!, typeText(messages(ident, "type")[0]!)] as const];
  });
  const bindings = messages(test, "bindings").map(
    (each) =>
      [text(each, "key")!, valueData(messages(messages(each, "value")[0]!, "value")[0]!)] as const,
  );
  return {
    name: text(test, "name")!,
    expr: text(test, "expr")!,
    ...(container === undefined ? {} : { container }),
    ...(variables.length === 0 ? {} : { variables: Object.fromEntries(variables) }),
    ...(bindings.length === 0 ? {} : { bindings: Object.fromEntries(bindings) }),
    ...(errors !== undefined
      ? { error: text(messages(errors, "errors")[0] ?? {}, "message") ?? "" }
      : text(test, "check_only") === "true" || (typed !== undefined && value === undefined)
        ? {}
        : { value: value === undefined ? true : valueData(value) }),
    ...(type === undefined ? {} : { type: typeText(type) }),
  };
}

/** A value as data. Doubles and integers are texts, so that none is rounded. */
function valueData(message: Message): ValueData {
  const [kind = "", values = []] = Object.entries(message)[0] ?? [];
  const [value] = values;
  switch (kind) {
    case "null_value":
      return null;
    case "bool_value":
      return value === "true";
    case "string_value":
      return value!.toString();
    case "bytes_value":
      return { bytes: (value as Buffer).toString("base64") };
    case "int64_value":
      return { int: value };
    case "uint64_value":
      return { uint: value };
    case "double_value":
      return { double: value };
    case "type_value":
      return { type: value!.toString() };
    case "list_value":
      return { list: messages(value as Message, "values").map(valueData) };
    case "map_value":
      return {
        map: messages(value as Message, "entries").map((each) => [
          valueData(messages(each, "key")[0]!),
          valueData(messages(each, "value")[0]!),
        ]),
      };
    case "object_value": {
      const [name, fields] = Object.entries(value as Message)[0]!;
      const { seconds = ["0"], nanos = ["0"] } = fields[0] as Message;
      const total = BigInt(seconds[0] as string) * 1_000_000_000n + BigInt(nanos[0] as string);
      return { [name.includes("Timestamp") ? "timestamp" : "duration"]: String(total) };
    }
    default:
      throw new Error(`unknown value ${kind}`);
  }
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  BOOL: "bool",
  INT64: "int",
  UINT64: "uint",
  DOUBLE: "double",
  STRING: "string",
  BYTES: "bytes",
  TIMESTAMP: "timestamp",
  DURATION: "duration",
  ANY: "dyn",
};

function typeText(message: Message): string {
  const [kind = "dyn", values = []] = Object.entries(message)[0] ?? [];
  const value = values[0]!;
  switch (kind) {
    case "primitive":
    case "well_known":
      return PRIMITIVES[value as string]!;
    case "null":
      return "null";
    case "type_param":
      return "dyn";
    case "dyn":
      return "dyn";
    case "list_type":
      return `list(${typeText(messages(value as Message, "elem_type")[0]!)})`;
    case "map_type": {
      const [key, item] = ["key_type", "value_type"].map((each) =>
        typeText(messages(value as Message, each)[0]!),
      );
      return `map(${key}, ${item})`;
    }
    case "type":
      return `type(${typeText(value as Message)})`;
    case "abstract_type": {
      const parameters = messages(value as Message, "parameter_types").map(typeText);
      return `${text(value as Message, "name")}(${parameters.join(", ")})`;
    }
    default:
      throw new Error(`unknown type ${kind}`);
  }
}
