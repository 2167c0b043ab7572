// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Bidi, ServiceTable } from "../service.ts";

export interface ServerReflectionRequest {
  host: string;
  fileByFilename?: string | undefined;
  fileContainingSymbol?: string | undefined;
  fileContainingExtension?: ExtensionRequest | undefined;
  allExtensionNumbersOfType?: string | undefined;
  listServices?: string | undefined;
}
export const ServerReflectionRequest: MessageType<ServerReflectionRequest> = new MessageType("grpc.reflection.v1.ServerReflectionRequest", () => [
  { id: 1, name: "host", type: "string" },
  { id: 3, name: "fileByFilename", type: "string", optional: true, oneof: "message_request" },
  { id: 4, name: "fileContainingSymbol", type: "string", optional: true, oneof: "message_request" },
  { id: 5, name: "fileContainingExtension", type: () => ExtensionRequest as never, optional: true, oneof: "message_request" },
  { id: 6, name: "allExtensionNumbersOfType", type: "string", optional: true, oneof: "message_request" },
  { id: 7, name: "listServices", type: "string", optional: true, oneof: "message_request" },
]);

export interface ExtensionRequest {
  containingType: string;
  extensionNumber: number;
}
export const ExtensionRequest: MessageType<ExtensionRequest> = new MessageType("grpc.reflection.v1.ExtensionRequest", () => [
  { id: 1, name: "containingType", type: "string" },
  { id: 2, name: "extensionNumber", type: "int32" },
]);

export interface ServerReflectionResponse {
  validHost: string;
  originalRequest?: ServerReflectionRequest | undefined;
  fileDescriptorResponse?: FileDescriptorResponse | undefined;
  allExtensionNumbersResponse?: ExtensionNumberResponse | undefined;
  listServicesResponse?: ListServiceResponse | undefined;
  errorResponse?: ErrorResponse | undefined;
}
export const ServerReflectionResponse: MessageType<ServerReflectionResponse> = new MessageType("grpc.reflection.v1.ServerReflectionResponse", () => [
  { id: 1, name: "validHost", type: "string" },
  { id: 2, name: "originalRequest", type: () => ServerReflectionRequest as never, optional: true },
  { id: 4, name: "fileDescriptorResponse", type: () => FileDescriptorResponse as never, optional: true, oneof: "message_response" },
  { id: 5, name: "allExtensionNumbersResponse", type: () => ExtensionNumberResponse as never, optional: true, oneof: "message_response" },
  { id: 6, name: "listServicesResponse", type: () => ListServiceResponse as never, optional: true, oneof: "message_response" },
  { id: 7, name: "errorResponse", type: () => ErrorResponse as never, optional: true, oneof: "message_response" },
]);

export interface FileDescriptorResponse {
  fileDescriptorProto: Buffer[];
}
export const FileDescriptorResponse: MessageType<FileDescriptorResponse> = new MessageType("grpc.reflection.v1.FileDescriptorResponse", () => [
  { id: 1, name: "fileDescriptorProto", type: "bytes", repeated: true },
]);

export interface ExtensionNumberResponse {
  baseTypeName: string;
  extensionNumber: number[];
}
export const ExtensionNumberResponse: MessageType<ExtensionNumberResponse> = new MessageType("grpc.reflection.v1.ExtensionNumberResponse", () => [
  { id: 1, name: "baseTypeName", type: "string" },
  { id: 2, name: "extensionNumber", type: "int32", repeated: true },
]);

export interface ListServiceResponse {
  service: ServiceResponse[];
}
export const ListServiceResponse: MessageType<ListServiceResponse> = new MessageType("grpc.reflection.v1.ListServiceResponse", () => [
  { id: 1, name: "service", type: () => ServiceResponse as never, repeated: true },
]);

export interface ServiceResponse {
  name: string;
}
export const ServiceResponse: MessageType<ServiceResponse> = new MessageType("grpc.reflection.v1.ServiceResponse", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface ErrorResponse {
  errorCode: number;
  errorMessage: string;
}
export const ErrorResponse: MessageType<ErrorResponse> = new MessageType("grpc.reflection.v1.ErrorResponse", () => [
  { id: 1, name: "errorCode", type: "int32" },
  { id: 2, name: "errorMessage", type: "string" },
]);

export interface ServerReflectionMethods {
  serverReflectionInfo: Bidi<ServerReflectionRequest, ServerReflectionResponse>;
}
export const ServerReflection = {
  fullName: "grpc.reflection.v1.ServerReflection",
  methods: {
    serverReflectionInfo: {
      name: "ServerReflectionInfo",
      request: ServerReflectionRequest,
      response: ServerReflectionResponse,
      clientStream: true,
      serverStream: true,
    },
  },
} as unknown as ServiceTable<ServerReflectionMethods>;
