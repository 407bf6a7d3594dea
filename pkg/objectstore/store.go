// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azureblobs "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// Store is a bucket. It is safe for concurrent use.
type Store struct {
	bucket *blob.Bucket
	target Target
	now    func() time.Time
	// s3 is the client of S3, nil for others, and checksums says that parts have one.
	s3        *s3.Client
	checksums bool
	// azure is the client of the container, nil for other providers.
	azure *container.Client
}

// Object is an object in a store.
type Object struct {
	Name string
	Size int64
	// Modified is when it was stored, by the store's clock.
	Modified time.Time
}

// Close ends the connections.
func (s *Store) Close() error { return s.bucket.Close() }

// Check asks for the first object whose name begins with prefix, which tells whether the
// bucket is there and lets the credentials in.
func (s *Store) Check(ctx context.Context, prefix string) error {
	_, _, err := s.bucket.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{Prefix: prefix})
	err = classify(fmt.Sprintf("look into the bucket %q", s.target.Bucket), err)
	var e *Error
	if errors.As(err, &e) && e.Class == NotFound {
		// A list has no object that could be missing.
		e.Class = NoBucket
	}
	return err
}

// Put stores what r has under a name. The object is there as a whole, or not at all: where
// r fails or ctx ends, what was sent before is given up. The error is that of r where r
// failed. It is for small objects: the client of S3 keeps many parts in memory, and leaves
// those behind that it sent of what is given up. They have the storage class of the bucket:
// what is in an archive cannot be read without being restored first.
func (s *Store) Put(ctx context.Context, name, contentType string, r io.Reader) error {
	t := s.target
	t.StorageClass = ""
	return s.put(ctx, name, contentType, r, (&Store{target: t, now: s.now}).beforeWrite)
}

// PutForNow is Put for an object that will be deleted soon: it is not locked.
func (s *Store) PutForNow(ctx context.Context, name, contentType string, r io.Reader) error {
	t := s.target
	t.LockMode, t.LockFor, t.StorageClass = "", 0, ""
	return s.put(ctx, name, contentType, r, (&Store{target: t, now: s.now}).beforeWrite)
}

func (s *Store) put(ctx context.Context, name, contentType string, r io.Reader, before func(func(any) bool) error) error {
	op := fmt.Sprintf("store %q", name)
	// What is written counts with Close. A context that has ended before makes it abort.
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	w, err := s.bucket.NewWriter(ctx, name, &blob.WriterOptions{
		ContentType: contentType, BufferSize: s.target.PartSize, MaxConcurrency: s.target.Concurrency, BeforeWrite: before,
	})
	if err != nil {
		return classify(op, err)
	}
	source := &keepError{from: r}
	_, err = io.Copy(w, source)
	if err != nil {
		abort()
	}
	closeErr := w.Close()
	if source.err != nil {
		return source.err
	}
	if err != nil {
		// Close says why the store did not take what was written.
		return classify(op, errors.Join(closeErr, err))
	}
	return classify(op, closeErr)
}

// keepError keeps the error of a reader from those of whom reads it.
type keepError struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (k *keepError) Read(p []byte) (int, error) {
	n, err := k.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}

// beforeWrite asks for what the drivers have no options for.
func (s *Store) beforeWrite(as func(any) bool) error {
	t := s.target
	until := s.now().Add(t.LockFor)
	var toS3 *transfermanager.UploadObjectInput
	var toGCS *storage.Writer
	var toAzure *azblob.UploadStreamOptions
	switch {
	case as(&toS3):
		toS3.StorageClass = tmtypes.StorageClass(t.StorageClass)
		if t.LockMode != "" {
			toS3.ObjectLockMode, toS3.ObjectLockRetainUntilDate = tmtypes.ObjectLockModeGovernance, aws.Time(until)
			if t.LockMode == Compliance {
				toS3.ObjectLockMode = tmtypes.ObjectLockModeCompliance
			}
		}
	case as(&toGCS):
		toGCS.StorageClass, toGCS.KMSKeyName = t.StorageClass, t.EncryptionKey
		if t.LockMode != "" {
			toGCS.Retention = &storage.ObjectRetention{Mode: "Unlocked", RetainUntil: until}
			if t.LockMode == Compliance {
				toGCS.Retention.Mode = "Locked"
			}
		}
	case as(&toAzure):
		if t.StorageClass != "" {
			toAzure.AccessTier = new(azureblobs.AccessTier(t.StorageClass))
		}
		if t.EncryptionKey != "" {
			toAzure.CPKScopeInfo = &azureblobs.CPKScopeInfo{EncryptionScope: &t.EncryptionKey}
		}
	default:
		// A driver that takes none of this would drop a lock silently.
		if t.LockMode != "" || t.EncryptionKey != "" || t.StorageClass != "" {
			return errors.New("the driver of the object store takes no storage class, encryption or lock")
		}
	}
	return nil
}

// Size returns the size of an object.
func (s *Store) Size(ctx context.Context, name string) (int64, error) {
	attributes, err := s.bucket.Attributes(ctx, name)
	if err != nil {
		return 0, classify(fmt.Sprintf("look at %q", name), err)
	}
	return attributes.Size, nil
}

// Get returns what an object holds. The caller closes it.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.bucket.NewReader(ctx, name, nil)
	if err != nil {
		return nil, classify(fmt.Sprintf("read %q", name), err)
	}
	return r, nil
}

// Delete deletes an object. One that is not there is no error.
func (s *Store) Delete(ctx context.Context, name string) error {
	err := classify(fmt.Sprintf("delete %q", name), s.bucket.Delete(ctx, name))
	if ClassOf(err) == NotFound {
		return nil
	}
	return err
}

// List calls yield with each object whose name begins with prefix, until it returns an
// error.
func (s *Store) List(ctx context.Context, prefix string, yield func(Object) error) error {
	op := fmt.Sprintf("list %q", prefix)
	objects := s.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		object, err := objects.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify(op, err)
		}
		if object.IsDir {
			continue
		}
		if err := yield(Object{Name: object.Key, Size: object.Size, Modified: object.ModTime}); err != nil {
			return err
		}
	}
}
