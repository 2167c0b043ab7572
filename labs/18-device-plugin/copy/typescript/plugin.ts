// A device plugin on @grpc/grpc-js, to copy: node plugin.ts DIRECTORY RESOURCE HEALTH_FILE
// DIRECTORY is the kubelet's device-plugins folder; HEALTH_FILE names the unhealthy devices.
import { existsSync, readFileSync, rmSync, statSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";

const [directory = "", resource = "", healthFile = ""] = process.argv.slice(2);
const SOCKET = "typescript.sock";
/** How soon a refused registration is repeated: a kubelet's socket exists before it listens. */
const AGAIN_MS = 200;
const IDS = ["ts-0", "ts-1"];
// In a copy: the file that you copied beside this one.
const PROTO = join(import.meta.dirname, "../../../../base/proto/schema/deviceplugin.proto");

/** grpc-js' definition of a service: the paths of its methods, and their messages. */
function definitionOf(name: string): grpc.ServiceDefinition {
  const service = schema.lookupService(`v1beta1.${name}`);
  const methods = service.methodsArray.map((method) => {
    const [request, response] = [method.requestType, method.responseType].map((type) => {
      return schema.lookupType(`v1beta1.${type}`);
    });
    const encode = (type: protobuf.Type) => (value: object) =>
      Buffer.from(type.encode(type.create(value)).finish());
    const decode = (type: protobuf.Type) => (bytes: Buffer) => type.decode(bytes);
    return [
      method.name,
      {
        path: `/v1beta1.${name}/${method.name}`,
        requestStream: false,
        responseStream: method.responseStream ?? false,
        requestSerialize: encode(request!),
        requestDeserialize: decode(request!),
        responseSerialize: encode(response!),
        responseDeserialize: decode(response!),
      },
    ];
  });
  return Object.fromEntries(methods) as grpc.ServiceDefinition;
}

const schema = protobuf.loadSync(PROTO);
type Stream = grpc.ServerWritableStream<object, object>;
const streams = new Set<Stream>();

function devices(): { devices: { ID: string; health: string }[] } {
  const sick = existsSync(healthFile) ? readFileSync(healthFile, "utf8").split("\n") : [];
  return {
    devices: IDS.map((ID) => ({ ID, health: sick.includes(ID) ? "Unhealthy" : "Healthy" })),
  };
}

interface AllocateCall {
  readonly request: { readonly containerRequests: readonly { readonly devicesIds: string[] }[] };
}

const behaviour = {
  GetDevicePluginOptions: (_call: unknown, done: grpc.sendUnaryData<object>) => done(null, {}),
  ListAndWatch(call: Stream) {
    streams.add(call);
    call.on("cancelled", () => {
      streams.delete(call);
      call.end();
    });
    call.write(devices());
  },
  Allocate({ request }: AllocateCall, done: grpc.sendUnaryData<object>) {
    const containerResponses = request.containerRequests.map(({ devicesIds }) => {
      return { envs: { TYPESCRIPT_DEVICES: devicesIds.join(",") } };
    });
    done(null, { containerResponses });
  },
};

let server: grpc.Server | undefined;

/** Serves first, then registers: the kubelet connects back before it answers. */
function register(): void {
  server?.forceShutdown();
  rmSync(join(directory, SOCKET), { force: true });
  server = new grpc.Server();
  server.addService(definitionOf("DevicePlugin"), behaviour as grpc.UntypedServiceImplementation);
  const credentials = grpc.ServerCredentials.createInsecure();
  server.bindAsync(`unix://${join(directory, SOCKET)}`, credentials, (failed) => {
    if (failed) throw failed;
    const Registration = grpc.makeGenericClientConstructor(definitionOf("Registration"), "r");
    const kubelet = new Registration(`unix://${KUBELET}`, grpc.credentials.createInsecure());
    const request = { version: "v1beta1", endpoint: SOCKET, resourceName: resource };
    kubelet["Register"]!(request, (refused: Error | null) => {
      kubelet.close();
      if (!refused) return console.log(`registered ${resource}`);
      console.error(`registration failed: ${refused.message}`);
      registeredWith = undefined;
      setTimeout(look, AGAIN_MS);
    });
  });
}

const KUBELET = join(directory, "kubelet.sock");
let registeredWith: string | undefined;

/**
 * A new kubelet has a new socket file, and no registrations. The file may have the number of one
 * that was removed, so the time counts too.
 */
function look(): void {
  const file = statSync(KUBELET, { throwIfNoEntry: false });
  const identity = file && `${file.ino} ${file.ctimeMs}`;
  if (identity !== undefined && identity !== registeredWith) register();
  registeredWith = identity;
}

watch(directory, (_event, name) => name === "kubelet.sock" && look());
watch(dirname(healthFile), (_event, name) => {
  if (name === basename(healthFile)) for (const stream of streams) stream.write(devices());
});
look();
