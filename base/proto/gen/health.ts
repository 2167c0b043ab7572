// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { ServerStream, Unary, ServiceTable } from "../service.ts";

export interface HealthCheckRequest {
  service: string;
}
export const HealthCheckRequest: MessageType<HealthCheckRequest> = new MessageType("grpc.health.v1.HealthCheckRequest", () => [
  { id: 1, name: "service", type: "string" },
]);

export interface HealthCheckResponse {
  status: HealthCheckResponse_ServingStatus;
}
export const HealthCheckResponse: MessageType<HealthCheckResponse> = new MessageType("grpc.health.v1.HealthCheckResponse", () => [
  { id: 1, name: "status", type: "int32" },
]);

export type HealthCheckResponse_ServingStatus = number;
export const HealthCheckResponse_ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const;

export interface HealthMethods {
  check: Unary<HealthCheckRequest, HealthCheckResponse>;
  watch: ServerStream<HealthCheckRequest, HealthCheckResponse>;
}
export const Health = {
  fullName: "grpc.health.v1.Health",
  methods: {
    check: {
      name: "Check",
      request: HealthCheckRequest,
      response: HealthCheckResponse,
      clientStream: false,
      serverStream: false,
    },
    watch: {
      name: "Watch",
      request: HealthCheckRequest,
      response: HealthCheckResponse,
      clientStream: false,
      serverStream: true,
    },
  },
} as unknown as ServiceTable<HealthMethods>;
