// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Unary, ServiceTable } from "../service.ts";

export type StatusRequest = Record<never, never>;
export const StatusRequest: MessageType<StatusRequest> = new MessageType("v2.StatusRequest", () => [
]);

export interface StatusResponse {
  version: string;
  healthz: string;
  keyId: string;
}
export const StatusResponse: MessageType<StatusResponse> = new MessageType("v2.StatusResponse", () => [
  { id: 1, name: "version", type: "string" },
  { id: 2, name: "healthz", type: "string" },
  { id: 3, name: "keyId", type: "string" },
]);

export interface DecryptRequest {
  ciphertext: Buffer;
  uid: string;
  keyId: string;
  annotations: Record<string, Buffer>;
}
export const DecryptRequest: MessageType<DecryptRequest> = new MessageType("v2.DecryptRequest", () => [
  { id: 1, name: "ciphertext", type: "bytes" },
  { id: 2, name: "uid", type: "string" },
  { id: 3, name: "keyId", type: "string" },
  { id: 4, name: "annotations", type: "bytes", mapKey: "string" },
]);

export interface DecryptResponse {
  plaintext: Buffer;
}
export const DecryptResponse: MessageType<DecryptResponse> = new MessageType("v2.DecryptResponse", () => [
  { id: 1, name: "plaintext", type: "bytes" },
]);

export interface EncryptRequest {
  plaintext: Buffer;
  uid: string;
}
export const EncryptRequest: MessageType<EncryptRequest> = new MessageType("v2.EncryptRequest", () => [
  { id: 1, name: "plaintext", type: "bytes" },
  { id: 2, name: "uid", type: "string" },
]);

export interface EncryptResponse {
  ciphertext: Buffer;
  keyId: string;
  annotations: Record<string, Buffer>;
}
export const EncryptResponse: MessageType<EncryptResponse> = new MessageType("v2.EncryptResponse", () => [
  { id: 1, name: "ciphertext", type: "bytes" },
  { id: 2, name: "keyId", type: "string" },
  { id: 3, name: "annotations", type: "bytes", mapKey: "string" },
]);

export type EncryptedDEKSourceType = number;
export const EncryptedDEKSourceType = {
  AES_GCM_KEY: 0,
  HKDF_SHA256_XNONCE_AES_GCM_SEED: 1,
} as const;

export interface EncryptedObject {
  encryptedData: Buffer;
  keyID: string;
  encryptedDEKSource: Buffer;
  annotations: Record<string, Buffer>;
  encryptedDEKSourceType: EncryptedDEKSourceType;
}
export const EncryptedObject: MessageType<EncryptedObject> = new MessageType("v2.EncryptedObject", () => [
  { id: 1, name: "encryptedData", type: "bytes" },
  { id: 2, name: "keyID", type: "string" },
  { id: 3, name: "encryptedDEKSource", type: "bytes" },
  { id: 4, name: "annotations", type: "bytes", mapKey: "string" },
  { id: 5, name: "encryptedDEKSourceType", type: "int32" },
]);

export interface KeyManagementServiceMethods {
  status: Unary<StatusRequest, StatusResponse>;
  decrypt: Unary<DecryptRequest, DecryptResponse>;
  encrypt: Unary<EncryptRequest, EncryptResponse>;
}
export const KeyManagementService = {
  fullName: "v2.KeyManagementService",
  methods: {
    status: {
      name: "Status",
      request: StatusRequest,
      response: StatusResponse,
      clientStream: false,
      serverStream: false,
    },
    decrypt: {
      name: "Decrypt",
      request: DecryptRequest,
      response: DecryptResponse,
      clientStream: false,
      serverStream: false,
    },
    encrypt: {
      name: "Encrypt",
      request: EncryptRequest,
      response: EncryptResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<KeyManagementServiceMethods>;
