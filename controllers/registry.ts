import { startAttachDetach } from "./attachdetach/attachdetach.ts";
import { startBootstrapSigner } from "./bootstrapsigner/bootstrapsigner.ts";
import { startApproving, startCleaning, startSigning } from "./certificates/certificates.ts";
import { startClusterRoleAggregation } from "./clusterroleaggregation/aggregation.ts";
import type { ControllerContext, Running } from "./context.ts";
import { startCronJobs } from "./cronjob/cronjob.ts";
import { startDaemonSets } from "./daemonset/daemonset.ts";
import { startDeployments } from "./deployment/deployment.ts";
import { startDisruption } from "./disruption/disruption.ts";
import { startEndpoints } from "./endpoints/endpoints.ts";
import { startEndpointSlices } from "./endpointslice/endpointslice.ts";
import { startEndpointSliceMirroring } from "./endpointslicemirroring/mirroring.ts";
import { startEphemeralVolumes } from "./ephemeralvolume/ephemeralvolume.ts";
import { startGarbageCollector } from "./garbagecollector/garbagecollector.ts";
import { startJobs } from "./job/job.ts";
import { startLegacyTokenCleaner } from "./legacytokencleaner/legacytokencleaner.ts";
import { startLoadBalancers } from "./loadbalancer/loadbalancer.ts";
import { startNamespaces } from "./namespace/namespace.ts";
import { startNetworkPolicies } from "./networkpolicy/networkpolicy.ts";
import { startNodeIpam } from "./nodeipam/nodeipam.ts";
import { startNodeLifecycle } from "./nodelifecycle/nodelifecycle.ts";
import { startVolumeBinder } from "./persistentvolume/persistentvolume.ts";
import { startPodAutoscalers } from "./podautoscaler/podautoscaler.ts";
import { startPodGc } from "./podgc/podgc.ts";
import { startAttributesClassProtection } from "./pvprotection/attributes-class.ts";
import { startClaimProtection, startVolumeProtection } from "./pvprotection/pvprotection.ts";
import { startReplicaSets } from "./replicaset/replicaset.ts";
import { startReplicationControllers } from "./replicationcontroller/replicationcontroller.ts";
import { startResourceQuota } from "./resourcequota/resourcequota.ts";
import { startRootCa } from "./rootca/rootca.ts";
import { startServiceAccounts } from "./serviceaccount/serviceaccount.ts";
import { startServiceAccountTokens } from "./serviceaccounttoken/serviceaccounttoken.ts";
import { startServiceCidrs } from "./servicecidr/servicecidr.ts";
import { startStatefulSets } from "./statefulset/statefulset.ts";
import { startTaintEviction } from "./tainteviction/tainteviction.ts";
import { startTokenCleaner } from "./tokencleaner/tokencleaner.ts";
import { startNodeTtl } from "./ttl/ttl.ts";
import { startTtlAfterFinished } from "./ttlafterfinished/ttlafterfinished.ts";

/** All controllers, under upstream's names. */
export const CONTROLLERS: Record<string, (context: ControllerContext) => Running> = {
  "namespace-controller": startNamespaces,
  "serviceaccount-controller": startServiceAccounts,
  "serviceaccount-token-controller": startServiceAccountTokens,
  "root-ca-certificate-publisher-controller": startRootCa,
  "node-ipam-controller": startNodeIpam,
  "node-lifecycle-controller": startNodeLifecycle,
  "taint-eviction-controller": startTaintEviction,
  "pod-garbage-collector-controller": startPodGc,
  "resourcequota-controller": startResourceQuota,
  "clusterrole-aggregation-controller": startClusterRoleAggregation,
  "deployment-controller": startDeployments,
  "replicaset-controller": startReplicaSets,
  "replicationcontroller-controller": startReplicationControllers,
  "daemonset-controller": startDaemonSets,
  "statefulset-controller": startStatefulSets,
  "job-controller": startJobs,
  "ttl-after-finished-controller": startTtlAfterFinished,
  "cronjob-controller": startCronJobs,
  "horizontal-pod-autoscaler-controller": startPodAutoscalers,
  "disruption-controller": startDisruption,
  "endpoints-controller": startEndpoints,
  "endpointslice-controller": startEndpointSlices,
  "endpointslice-mirroring-controller": startEndpointSliceMirroring,
  "networkpolicy-controller": startNetworkPolicies,
  "service-cidr-controller": startServiceCidrs,
  "service-lb-controller": startLoadBalancers,
  "ephemeral-volume-controller": startEphemeralVolumes,
  "persistentvolume-binder-controller": startVolumeBinder,
  "persistentvolume-attach-detach-controller": startAttachDetach,
  "persistentvolumeclaim-protection-controller": startClaimProtection,
  "persistentvolume-protection-controller": startVolumeProtection,
  "volumeattributesclass-protection-controller": startAttributesClassProtection,
  "certificatesigningrequest-approving-controller": startApproving,
  "certificatesigningrequest-signing-controller": startSigning,
  "certificatesigningrequest-cleaner-controller": startCleaning,
  "bootstrap-signer-controller": startBootstrapSigner,
  "token-cleaner-controller": startTokenCleaner,
  "legacy-serviceaccount-token-cleaner-controller": startLegacyTokenCleaner,
  "ttl-controller": startNodeTtl,
  // Last: it shares the informers of whole objects that the others have asked for.
  "garbage-collector-controller": startGarbageCollector,
};
