package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
)

const group = "compat.example.com"

// Site is the stored version, v1: so many pods that say something.
type Site struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              SiteSpec   `json:"spec"`
	Status            SiteStatus `json:"status,omitempty"`
}

type SiteSpec struct {
	Replicas int32  `json:"replicas,omitempty"`
	Message  string `json:"message,omitempty"`
}

type SiteStatus struct {
	Replicas           int32              `json:"replicas"`
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type SiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Site `json:"items"`
}

// SiteAlpha is v1alpha1, which names both fields otherwise.
type SiteAlpha struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              SiteAlphaSpec `json:"spec"`
	Status            SiteStatus    `json:"status,omitempty"`
}

type SiteAlphaSpec struct {
	Size int32  `json:"size,omitempty"`
	Text string `json:"text,omitempty"`
}

// Hub makes v1 the version by which others are converted.
func (*Site) Hub() {}

func (from *SiteAlpha) ConvertTo(hub conversion.Hub) error {
	to := hub.(*Site)
	to.ObjectMeta = from.ObjectMeta
	to.Spec = SiteSpec{Replicas: from.Spec.Size, Message: from.Spec.Text}
	to.Status = from.Status
	return nil
}

func (to *SiteAlpha) ConvertFrom(hub conversion.Hub) error {
	from := hub.(*Site)
	to.ObjectMeta = from.ObjectMeta
	to.Spec = SiteAlphaSpec{Size: from.Spec.Replicas, Text: from.Spec.Message}
	to.Status = from.Status
	return nil
}

func (s *SiteStatus) copied() SiteStatus {
	out := *s
	out.Conditions = append([]metav1.Condition(nil), s.Conditions...)
	return out
}

func (s *Site) DeepCopyObject() runtime.Object {
	out := &Site{TypeMeta: s.TypeMeta, Spec: s.Spec, Status: s.Status.copied()}
	s.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return out
}

func (s *SiteAlpha) DeepCopyObject() runtime.Object {
	out := &SiteAlpha{TypeMeta: s.TypeMeta, Spec: s.Spec, Status: s.Status.copied()}
	s.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return out
}

func (l *SiteList) DeepCopyObject() runtime.Object {
	out := &SiteList{TypeMeta: l.TypeMeta}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*Site))
	}
	return out
}

func addToScheme(scheme *runtime.Scheme) {
	v1 := schema.GroupVersion{Group: group, Version: "v1"}
	v1alpha1 := schema.GroupVersion{Group: group, Version: "v1alpha1"}
	scheme.AddKnownTypes(v1, &Site{}, &SiteList{})
	scheme.AddKnownTypeWithName(v1alpha1.WithKind("Site"), &SiteAlpha{})
	metav1.AddToGroupVersion(scheme, v1)
	metav1.AddToGroupVersion(scheme, v1alpha1)
}
