import type { Target } from "./target.ts";
import { bboltFile } from "./targets/bbolt-file.ts";
import { cniResult } from "./targets/cni-result.ts";
import { criRequest } from "./targets/cri-request.ts";
import { csiAnswer } from "./targets/csi-answer.ts";
import { deviceMessage } from "./targets/device-message.ts";
import { dnsMessage } from "./targets/dns-message.ts";
import { h2, hpack } from "./targets/h2.ts";
import { imageDocument } from "./targets/image-document.ts";
import { kubeletPath } from "./targets/kubelet-path.ts";
import { kubernetesObject } from "./targets/kubernetes-object.ts";
import { labelSelector } from "./targets/label-selector.ts";
import { log } from "./targets/log.ts";
import { netlinkAnswer } from "./targets/netlink-answer.ts";
import { overlayNode } from "./targets/overlay-node.ts";
import { peerMessage } from "./targets/peer-message.ts";
import { registryAnswer } from "./targets/registry-answer.ts";
import { snapshotFile } from "./targets/snapshot-file.ts";
import { spdy } from "./targets/spdy.ts";
import { tarLayer } from "./targets/tar-layer.ts";
import { transaction } from "./targets/transaction.ts";
import { webSocket } from "./targets/web-socket.ts";
import { yamlBody } from "./targets/yaml-body.ts";

export const TARGETS: readonly Target[] = [
  log,
  snapshotFile,
  peerMessage,
  transaction,
  cniResult,
  csiAnswer,
  deviceMessage,
  dnsMessage,
  netlinkAnswer,
  bboltFile,
  webSocket,
  spdy,
  h2,
  hpack,
  kubeletPath,
  criRequest,
  kubernetesObject,
  yamlBody,
  labelSelector,
  tarLayer,
  imageDocument,
  registryAnswer,
  overlayNode,
];
