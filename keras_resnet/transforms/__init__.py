"""What happens to one image, or to one batch of them: crops, test views, augmentation."""
