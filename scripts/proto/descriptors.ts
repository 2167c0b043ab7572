import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import * as descriptors from "protobufjs/ext/descriptor/index.js";

const schemaDir = join(import.meta.dirname, "../../base/proto/schema");

/** A schema as gRPC reflection returns it: the types that a generic client needs for its calls. */
interface ReflectedFile {
  readonly path: string;
  readonly packageName: string;
  readonly dependencies: readonly string[];
  /** The package's placeholder in the schema, where one serves two names. */
  readonly instead?: string;
}

const FILES: readonly ReflectedFile[] = [
  { path: "etcd/mvccpb", packageName: "mvccpb", dependencies: [] },
  { path: "etcd/authpb", packageName: "authpb", dependencies: [] },
  {
    path: "etcd/etcdserverpb",
    packageName: "etcdserverpb",
    dependencies: ["mvccpb.proto", "authpb.proto"],
  },
  { path: "etcd/v3lockpb", packageName: "v3lockpb", dependencies: ["etcdserverpb.proto"] },
  {
    path: "etcd/v3electionpb",
    packageName: "v3electionpb",
    dependencies: ["etcdserverpb.proto", "mvccpb.proto"],
  },
  { path: "health", packageName: "grpc.health.v1", dependencies: [] },
  { path: "reflection", packageName: "grpc.reflection.v1", dependencies: [] },
  {
    path: "reflection",
    packageName: "grpc.reflection.v1alpha",
    dependencies: [],
    instead: "grpc.reflection.v1",
  },
];

type FieldDescriptor = { name: string; typeName?: string };

interface MessageDescriptor {
  name: string;
  field: FieldDescriptor[];
  nestedType: MessageDescriptor[];
}

interface FileDescriptor {
  name: string;
  package: string;
  dependency: string[];
  messageType: MessageDescriptor[];
}

interface DescriptorRoot {
  toDescriptor(edition: string): { file: FileDescriptor[] };
}

/** The text of `base/proto/gen/descriptors.ts`. */
export function generateDescriptors(): string {
  const { FileDescriptorProto } = descriptors.default as unknown as {
    FileDescriptorProto: { encode(file: FileDescriptor): { finish(): Uint8Array } };
  };
  const root = new protobuf.Root();
  for (const file of FILES) protobuf.parse(textOf(file), root, { keepCase: true });
  root.resolveAll();
  const { file: described } = (root as unknown as DescriptorRoot).toDescriptor("proto3");
  const entries = FILES.map(({ packageName, dependencies }) => {
    const descriptor = described.find((each) => each.package === packageName)!;
    descriptor.name = `${packageName}.proto`;
    descriptor.dependency = [...dependencies];
    const namespace = root.lookup(packageName) as protobuf.Namespace;
    nameWholly(descriptor.messageType, namespace);
    const symbols = namespace.nestedArray.map(({ fullName }) => fullName.slice(1));
    const bytes = Buffer.from(FileDescriptorProto.encode(descriptor).finish()).toString("base64");
    return [
      "  {",
      `    name: "${descriptor.name}",`,
      `    dependencies: ${JSON.stringify(dependencies)},`,
      `    symbols: ${JSON.stringify(symbols)},`,
      `    bytes: "${bytes}",`,
      "  },",
    ].join("\n");
  });
  return [
    "// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.",
    'import type { DescriptorFile } from "../descriptor-file.ts";',
    "",
    "export const DESCRIPTORS: readonly DescriptorFile[] = [",
    ...entries,
    "];",
    "",
  ].join("\n");
}

function textOf({ path, packageName, instead }: ReflectedFile): string {
  const text = readFileSync(join(schemaDir, `${path}.proto`), "utf8");
  const declared = `package ${instead ?? packageName};`;
  return text.replace(declared, `package ${packageName};`);
}

/** References by their whole names: relative ones are legal, but not every client takes them. */
function nameWholly(messages: MessageDescriptor[], parent: protobuf.NamespaceBase): void {
  for (const message of messages) {
    const type = parent.get(message.name) as protobuf.Type;
    for (const field of message.field) {
      const resolved = type.fields[field.name]?.resolvedType;
      if (resolved) field.typeName = resolved.fullName;
    }
    nameWholly(message.nestedType, type);
  }
}
