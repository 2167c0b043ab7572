import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod, Secret } from "@raft2kube/api/gen/core/v1.ts";
import { ImagePuller } from "@raft2kube/kubelet/images/pull.ts";
import { PulledImages } from "@raft2kube/kubelet/images/pulled-images.ts";
import { ImageService } from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { imageService } from "@raft2kube/runtime/cri/image-service.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type DockerRegistry,
  pushImage,
  REGISTRY_USER,
  startDockerRegistry,
} from "../cri/docker-registry.ts";

const clock = systemClock();

describe.runIf(process.getuid?.() === 0)("an image that needs a pull secret", () => {
  let dir: string;
  let registry: DockerRegistry;
  let image: string;
  let stop: () => Promise<void>;
  let connection: ReturnType<typeof connectGrpc>;
  let secrets: Map<string, Secret>;

  beforeEach(async () => {
    dir = mkdtempSync("/tmp/r2k-pull-secrets-");
    registry = await startDockerRegistry(join(dir, "registry"), { credentials: true });
    image = await pushImage(registry, "private", [writeTar([{ name: "private" }])]);
    const images = new ImageStore(join(dir, "images"), () => []);
    await images.open();
    const socket = join(dir, "cri.sock");
    const runtime = { images, clock, registries: {} } as Parameters<typeof imageService>[0];
    const services = [serve(ImageService, imageService(runtime))];
    const server = await serveGrpc({ services, listen: { path: socket } });
    connection = connectGrpc(`unix://${socket}`);
    stop = async () => {
      connection.close();
      await server.close();
    };
    secrets = new Map([["owner", secret(REGISTRY_USER)]]);
  });
  afterEach(async () => {
    await stop();
    await registry.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const secret = (user: object): Secret => {
    const auths = { [registry.domain]: user };
    const data = Buffer.from(JSON.stringify({ auths })).toString("base64");
    const metadata = { uid: crypto.randomUUID(), namespace: "ns", name: "pull" };
    return { metadata, data: { ".dockerconfigjson": data } };
  };
  /** A kubelet that has just started; `owner` and others are pods with their secrets. */
  const kubelet = async () => {
    const puller = new ImagePuller({
      runtime: { images: client(connection, ImageService) } as never,
      clock,
      events: { record: () => undefined },
      pulled: await PulledImages.open(join(dir, "kubelet")),
      pullSecrets: ({ metadata: { name = "" } }) => {
        return Promise.resolve([secrets.get(name)].filter((found) => found !== undefined));
      },
    });
    return (name: string, imagePullPolicy: "IfNotPresent" | "Never" = "IfNotPresent") => {
      const pod: Pod = { metadata: { name, namespace: "ns", uid: name }, spec: { containers: [] } };
      const container: Container = { name: "c", image, imagePullPolicy };
      return puller.ensure(pod, container, new AbortController().signal);
    };
  };

  test("is not run for a pod without it, though another pod's has brought it here", async () => {
    const ensure = await kubelet();
    await expect(ensure("stranger")).rejects.toMatchObject({ reason: "ErrImagePull" });
    const { imageRef } = await ensure("owner");
    expect((await ensure("owner")).imageRef).toBe(imageRef);
    for (const again of [ensure, await kubelet()]) {
      await expect(again("other")).rejects.toMatchObject({ reason: "ErrImagePull" });
      await expect(again("other", "Never")).rejects.toMatchObject({
        reason: "ErrImageNeverPull",
        message: expect.stringMatching(/does not have the proper credentials/) as string,
      });
      expect((await again("owner", "Never")).imageRef).toBe(imageRef);
    }
  });

  test("is run for a pod whose own secret the registry takes", async () => {
    const ensure = await kubelet();
    await ensure("owner");
    secrets.set("guesser", secret({ ...REGISTRY_USER, password: "wrong" }));
    await expect(ensure("guesser")).rejects.toMatchObject({ reason: "ErrImagePull" });
    secrets.set("colleague", secret(REGISTRY_USER));
    await ensure("colleague");
  });
});
