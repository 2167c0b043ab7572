import type { DescriptorFile } from "@raft2kube/proto/descriptor-file.ts";
import { DESCRIPTORS } from "@raft2kube/proto/gen/descriptors.ts";
import {
  ServerReflection,
  type ServerReflectionMethods,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "@raft2kube/proto/gen/reflection.ts";
import type { ServiceTable } from "@raft2kube/proto/service.ts";
import { Status } from "./error.ts";
import type { ServedService } from "./routes.ts";
import { serve } from "./server.ts";

/** The same service under the name that it had first. */
const ALPHA: ServiceTable<ServerReflectionMethods> = {
  ...ServerReflection,
  fullName: "grpc.reflection.v1alpha.ServerReflection",
};

type Answer = Partial<
  Pick<
    ServerReflectionResponse,
    | "fileDescriptorResponse"
    | "allExtensionNumbersResponse"
    | "listServicesResponse"
    | "errorResponse"
  >
>;

/**
 * gRPC server reflection, v1 and v1alpha, about these services: with it a client without our
 * schemas, such as grpcurl, lists them and makes calls.
 */
export function reflectionServices(services: readonly ServedService[]): ServedService[] {
  const names = services.map(({ service }) => service.fullName);
  const all = [...names, ServerReflection.fullName, ALPHA.fullName].sort();
  const handlers = {
    async *serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, ...answer(request, all) };
      }
    },
  };
  return [serve(ServerReflection, handlers), serve(ALPHA, handlers)];
}

function answer(request: ServerReflectionRequest, services: readonly string[]): Answer {
  const { fileByFilename, fileContainingSymbol, fileContainingExtension } = request;
  const { allExtensionNumbersOfType: baseTypeName, listServices } = request;
  if (listServices !== undefined) {
    return { listServicesResponse: { service: services.map((name) => ({ name })) } };
  }
  if (fileByFilename !== undefined) {
    return fileAnswer(
      DESCRIPTORS.find(({ name }) => name === fileByFilename),
      fileByFilename,
    );
  }
  if (fileContainingSymbol !== undefined) {
    return fileAnswer(fileOf(fileContainingSymbol), fileContainingSymbol);
  }
  if (fileContainingExtension) return notFound("there are no extensions");
  if (baseTypeName !== undefined) {
    if (!fileOf(baseTypeName)) return notFound(`unknown type ${baseTypeName}`);
    return { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] } };
  }
  const errorMessage = "the request names nothing";
  return { errorResponse: { errorCode: Status.INVALID_ARGUMENT, errorMessage } };
}

/** The file that declares a symbol, or something that the symbol is nested in. */
function fileOf(symbol: string): DescriptorFile | undefined {
  return DESCRIPTORS.find(({ symbols }) =>
    symbols.some((declared) => symbol === declared || symbol.startsWith(`${declared}.`)),
  );
}

/** A file, and before it all that it refers to. */
function fileAnswer(file: DescriptorFile | undefined, wanted: string): Answer {
  if (!file) return notFound(`unknown: ${wanted}`);
  const needed = DESCRIPTORS.filter(({ name }) => file.dependencies.includes(name));
  const fileDescriptorProto = [file, ...needed].map(({ bytes }) => Buffer.from(bytes, "base64"));
  return { fileDescriptorResponse: { fileDescriptorProto } };
}

function notFound(errorMessage: string): Answer {
  return { errorResponse: { errorCode: Status.NOT_FOUND, errorMessage } };
}
