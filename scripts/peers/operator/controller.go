package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const finalizer = group + "/farewell"

type reconciler struct {
	client.Client
}

func setUpController(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).For(&Site{}).Owns(&appsv1.Deployment{}).
		Complete(&reconciler{mgr.GetClient()})
}

// Reconcile keeps the site's Deployment and status, and says farewell before the site goes.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	site := &Site{}
	if err := r.Get(ctx, req.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !site.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, site)
	}
	if controllerutil.AddFinalizer(site, finalizer) {
		return ctrl.Result{}, r.Update(ctx, site)
	}
	deployment, err := r.deploy(ctx, site)
	if err != nil {
		return ctrl.Result{}, err
	}
	ready := metav1.ConditionFalse
	if deployment.Status.ReadyReplicas == site.Spec.Replicas {
		ready = metav1.ConditionTrue
	}
	site.Status.Replicas = deployment.Status.ReadyReplicas
	site.Status.ObservedGeneration = site.Generation
	meta.SetStatusCondition(&site.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: ready, Reason: "Deployed", ObservedGeneration: site.Generation,
	})
	return ctrl.Result{}, r.Status().Update(ctx, site)
}

func (r *reconciler) deploy(ctx context.Context, site *Site) (*appsv1.Deployment, error) {
	meta := metav1.ObjectMeta{Name: site.Name, Namespace: site.Namespace}
	deployment := &appsv1.Deployment{ObjectMeta: meta}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		labels := map[string]string{"site": site.Name}
		grace := int64(0)
		deployment.Spec.Replicas = &site.Spec.Replicas
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		deployment.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
		command := []string{"sh", "-c", "echo \"$MESSAGE\"; sleep 3600"}
		deployment.Spec.Template.Spec.Containers = []corev1.Container{{
			Name: "site", Image: "r2k.local/busybox:1", ImagePullPolicy: corev1.PullIfNotPresent,
			Command: command, Env: []corev1.EnvVar{{Name: "MESSAGE", Value: site.Spec.Message}},
		}}
		return controllerutil.SetControllerReference(site, deployment, r.Scheme())
	})
	return deployment, err
}

// finalize leaves a ConfigMap as the trace of the site.
func (r *reconciler) finalize(ctx context.Context, site *Site) error {
	meta := metav1.ObjectMeta{Name: "farewell-" + site.Name, Namespace: site.Namespace}
	trace := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"uid": string(site.UID)}}
	if err := r.Create(ctx, trace); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	controllerutil.RemoveFinalizer(site, finalizer)
	return r.Update(ctx, site)
}
