import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { KV } from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "@raft2kube/proto/gen/reflection.ts";
import protobuf from "protobufjs";
import * as descriptors from "protobufjs/ext/descriptor/index.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reflectionServices } from "./reflection.ts";
import { type RpcServer, serve, serveGrpc } from "./server.ts";

let server: RpcServer;
let client: Client;
beforeAll(async () => {
  const services = [
    serve(KV, { range: ({ key }) => ({ kvs: [{ key, value: Buffer.from("found") }] }) }),
    serve(Health, { check: () => ({ status: 1 }) }),
  ];
  server = await serveGrpc({
    services: [...services, ...reflectionServices(services)],
    listen: { host: "127.0.0.1", port: 0 },
  });
  client = new Client(server.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await server.close();
});

type Question = Parameters<typeof ServerReflectionRequest.encode>[0];

/** One question on a stream of its own, asked by gRPC's own client. */
function ask(service: string, question: Question): Promise<ServerReflectionResponse> {
  const stream: ClientDuplexStream<Question, ServerReflectionResponse> =
    client.makeBidiStreamRequest(
      `/${service}/ServerReflectionInfo`,
      (request: Question) => ServerReflectionRequest.encode(request),
      (bytes: Buffer) => ServerReflectionResponse.decode(bytes),
    );
  return new Promise((resolve, reject) => {
    stream.once("data", (response: ServerReflectionResponse) => {
      resolve(response);
      stream.end();
    });
    stream.once("error", reject);
    stream.write(question);
  });
}

/** Types and services as a generic client builds them from reflection alone. */
function understood(files: Buffer[]): protobuf.Root {
  const { FileDescriptorSet, FileDescriptorProto } = descriptors.default as unknown as Record<
    "FileDescriptorSet" | "FileDescriptorProto",
    protobuf.Type
  >;
  const file = files.map((bytes) => FileDescriptorProto.decode(bytes));
  const Root = protobuf.Root as unknown as { fromDescriptor(set: unknown): protobuf.Root };
  return Root.fromDescriptor(FileDescriptorSet.fromObject({ file })).resolveAll() as protobuf.Root;
}

const V1 = ServerReflection.fullName;
const V1ALPHA = "grpc.reflection.v1alpha.ServerReflection";

describe.each([V1, V1ALPHA])("%s", (service) => {
  test("lists all services", async () => {
    const { listServicesResponse } = await ask(service, { listServices: "" });
    expect(listServicesResponse!.service.map(({ name }) => name)).toEqual([
      "etcdserverpb.KV",
      "grpc.health.v1.Health",
      V1,
      V1ALPHA,
    ]);
  });

  test("a call needs only the descriptors from reflection", async () => {
    const symbol = { fileContainingSymbol: "etcdserverpb.KV" };
    const { fileDescriptorResponse, originalRequest } = await ask(service, symbol);
    expect(originalRequest).toMatchObject(symbol);
    const root = understood(fileDescriptorResponse!.fileDescriptorProto);
    const { Range } = root.lookupService("etcdserverpb.KV").methods;
    const request = root.lookupType(Range!.resolvedRequestType?.fullName ?? Range!.requestType);
    const response = root.lookupType(Range!.resolvedResponseType?.fullName ?? Range!.responseType);
    const answer = await new Promise<protobuf.Message>((resolve, reject) => {
      client.makeUnaryRequest(
        "/etcdserverpb.KV/Range",
        (message: object) => Buffer.from(request.encode(message).finish()),
        (bytes: Buffer) => response.decode(bytes),
        { key: Buffer.from("k") },
        (error, value) => (error ? reject(error) : resolve(value!)),
      );
    });
    expect(response.toObject(answer, { bytes: String })).toMatchObject({
      kvs: [{ key: Buffer.from("k").toString("base64") }],
    });
  });

  test.each<[Question, string]>([
    [{ fileContainingSymbol: "etcdserverpb.Nothing" }, "unknown: etcdserverpb.Nothing"],
    [{ fileByFilename: "nothing.proto" }, "unknown: nothing.proto"],
    [{ fileContainingExtension: { containingType: "x", extensionNumber: 1 } }, "no extensions"],
    [{ allExtensionNumbersOfType: "x.Y" }, "unknown type x.Y"],
  ])("%j is not there", async (question, message) => {
    const { errorResponse } = await ask(service, question);
    expect(errorResponse).toMatchObject({ errorCode: 5 });
    expect(errorResponse!.errorMessage).toContain(message);
  });
});

test("methods, nested types and files are found too", async () => {
  const found = async (question: Question) =>
    (await ask(V1, question)).fileDescriptorResponse?.fileDescriptorProto.length;
  expect(await found({ fileContainingSymbol: "etcdserverpb.KV.Range" })).toBe(3);
  expect(await found({ fileContainingSymbol: "mvccpb.KeyValue" })).toBe(1);
  expect(await found({ fileByFilename: "authpb.proto" })).toBe(1);
  const { allExtensionNumbersResponse } = await ask(V1, {
    allExtensionNumbersOfType: "mvccpb.KeyValue",
  });
  expect(allExtensionNumbersResponse).toMatchObject({ extensionNumber: [] });
});
