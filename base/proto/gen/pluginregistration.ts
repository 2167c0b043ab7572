// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Unary, ServiceTable } from "../service.ts";

export interface PluginInfo {
  type: string;
  name: string;
  endpoint: string;
  supportedVersions: string[];
}
export const PluginInfo: MessageType<PluginInfo> = new MessageType("pluginregistration.PluginInfo", () => [
  { id: 1, name: "type", type: "string" },
  { id: 2, name: "name", type: "string" },
  { id: 3, name: "endpoint", type: "string" },
  { id: 4, name: "supportedVersions", type: "string", repeated: true },
]);

export interface RegistrationStatus {
  pluginRegistered: boolean;
  error: string;
}
export const RegistrationStatus: MessageType<RegistrationStatus> = new MessageType("pluginregistration.RegistrationStatus", () => [
  { id: 1, name: "pluginRegistered", type: "bool" },
  { id: 2, name: "error", type: "string" },
]);

export type RegistrationStatusResponse = Record<never, never>;
export const RegistrationStatusResponse: MessageType<RegistrationStatusResponse> = new MessageType("pluginregistration.RegistrationStatusResponse", () => [
]);

export type InfoRequest = Record<never, never>;
export const InfoRequest: MessageType<InfoRequest> = new MessageType("pluginregistration.InfoRequest", () => [
]);

export interface RegistrationMethods {
  getInfo: Unary<InfoRequest, PluginInfo>;
  notifyRegistrationStatus: Unary<RegistrationStatus, RegistrationStatusResponse>;
}
export const Registration = {
  fullName: "pluginregistration.Registration",
  methods: {
    getInfo: {
      name: "GetInfo",
      request: InfoRequest,
      response: PluginInfo,
      clientStream: false,
      serverStream: false,
    },
    notifyRegistrationStatus: {
      name: "NotifyRegistrationStatus",
      request: RegistrationStatus,
      response: RegistrationStatusResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<RegistrationMethods>;
