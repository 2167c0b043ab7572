import type { ServiceDefinition } from "@grpc/grpc-js";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";

/** A service's table in the form that grpc-js takes. */
export function serviceDefinition<S>(service: ServiceTable<S>): ServiceDefinition {
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
    definition[key] = {
      path: `/${service.fullName}/${method.name}`,
      requestStream: method.clientStream,
      responseStream: method.serverStream,
      originalName: key,
      requestSerialize: (value: Init<unknown>) => method.request.encode(value),
      requestDeserialize: (bytes: Buffer) => method.request.decode(bytes),
      responseSerialize: (value: Init<unknown>) => method.response.encode(value),
      responseDeserialize: (bytes: Buffer) => method.response.decode(bytes),
    };
  }
  return definition;
}
